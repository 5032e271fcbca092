package wire

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// Each place in all modules that starts a goroutine, a timer or a callback, and why that finds all
// that it uses:
//
//	wire.New            starts nothing.
//	wire.armIdle        newTimer stores the timer before it is armed.
//	wire.hurryLocked,   time.AfterFunc under mu, which tooLate takes before it reads.
//	  awaitDropLocked
//	wire.watchRead      stores stop under mu. If the watch was replaced or has fired, it stops it.
//	wire.watchWriteLocked, checkBackLocked
//	                    AfterFunc under mu, which the function takes.
//	wire.startFlusherLocked, requestReader, readInBackground
//	                    go: all that the goroutine uses is stored before, under the lock or the gate.
//	wire.closeLeftLocked, finishLocked
//	                    go: they use the transport alone.
//	Conn.open           the engine is stored before it is started. What New calls back needs Start.
//	Conn.ended, Dial,   go: all that the goroutine uses is stored before.
//	  AcceptConn
//	Dial, AcceptConn    context.AfterFunc only sets a deadline on a net.Conn that it was given.
//	Acceptor.take       the Conn is in the set, and knows its Acceptor, before it is answered.
//	alarm.set           time.AfterFunc under mu. What it calls is bound before.
//	stream              interrupter.begin: context.AfterFunc under mu, which ctxEnded takes.
//	                    publisher, merge, parallel, tee, pipe: the goroutines use what is stored
//	                    before.
//	memnet              flow.arm, deadline.set: time.AfterFunc under the lock that its function
//	                    takes.
//	wstest.NewServer    go: the handler is stored before.
//	otelws, promws      register callbacks that use what was made before.
//	examples            context.AfterFunc and go of functions whose variables are set before.

func TestStartIsWhenAConnBeginsToRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		cfg := Config{
			PingInterval: time.Millisecond, PongTimeout: time.Millisecond,
			IdleTimeout: time.Millisecond, StallTimeout: time.Millisecond,
		}
		c := newConn(near, cfg)
		require.NotNil(t, c.background.timer.Load(), "a Write before Start may need it")
		<-time.After(time.Hour)
		require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := far.Read(make([]byte, 1))
		require.ErrorContains(t, err, "timeout", "the Conn has sent something")
		require.False(t, c.end.done.Closed())
		c.Start(nil)
		_, err = far.Read(make([]byte, 1))
		require.Error(t, err, "the deadline has passed")
		require.NoError(t, far.SetReadDeadline(time.Time{}))
		_, err = far.Read(make([]byte, 1))
		require.NoError(t, err, "the Conn has not begun to ping")
		cut(c)
	})
}

// A Conn drops its timer when the background reader starts. The next timer is stored before it
// fires, too.
func TestStartTimersAreStoredBeforeTheyFire(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 30 {
				near, far := net.Pipe()
				c := newConn(near, Config{PingInterval: time.Second})
				c.Start(nil)
				<-time.After(idleWait)
				cut(c)
				_ = far.Close()
			}
		})
	}
	wg.Wait()
}
