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

// What is published after something that may already run is started? Looked at, in all modules of
// the repository:
//
//	wire.New              started its timer, then stored it: the timer's function found none. It starts nothing now.
//	wire.unlockRead       the same, where the timer had been let go of: newTimer stores it at rest, then it is set.
//	wire.hurry,           time.AfterFunc under mu, which tooLate takes before it looks.
//	  waitForDrop
//	wire.watchOver        stores stop under mu, unless the watch was replaced or has fired, which it then undoes.
//	wire.waits            context.AfterFunc under mu, which stallExpired takes.
//	wire.startFlusher,    go, with all that the goroutine uses stored under the lock or the gate that it then has.
//	  readInBackground
//	Conn.open             the engine is stored before it is started; what New calls back for needs Start.
//	Conn.ended, Dial,     go: all that the goroutine uses is stored before.
//	  AcceptConn
//	Dial, AcceptConn      context.AfterFunc that only sets a deadline on a net.Conn that it was given.
//	Acceptor.take         the Conn is in the set and knows its Acceptor before it is answered, under one lock.
//	alarm.set             time.AfterFunc under mu; what it calls is bound before.
//	stream                interrupter.begin: context.AfterFunc under mu, which ctxEnded takes. publisher, merge,
//	                      parallel, tee, pipe: what the goroutines use is stored before they are started.
//	memnet                flow.arm, deadline.set: time.AfterFunc under the pair's lock, which what it calls takes.
//	wstest.NewServer      go: the handler is stored before.
//	otelws, promws        register callbacks that use what was made before.
//	examples              context.AfterFunc and go of functions whose variables are set before.

func TestNothingOfTheConnsOwnRunsBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		cfg := Config{
			Errors: &testErrors, Ends: new(Ends), Owner: testOwner{},
			PingInterval: time.Millisecond, PongTimeout: time.Millisecond,
			IdleTimeout: time.Millisecond, StallTimeout: time.Millisecond,
		}
		c := New(near, cfg)
		require.NotNil(t, c.background.timer.Load(), "a Write before Start may need it")
		<-time.After(time.Hour)
		require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := far.Read(make([]byte, 1))
		require.ErrorContains(t, err, "timeout", "it has sent something")
		require.False(t, c.end.done.Closed())
		c.Start(nil)
		_, err = far.Read(make([]byte, 1))
		require.Error(t, err, "the deadline has passed")
		require.NoError(t, far.SetReadDeadline(time.Time{}))
		_, err = far.Read(make([]byte, 1))
		require.NoError(t, err, "now it runs")
		c.CloseNow()
		<-c.Done()
	})
}

// The timer that a Conn makes anew after a reader has let go of it is stored before it fires, too.
func TestConnectionsOpenWhileThreadsAreScarceAndTheirTimersFindThemselves(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 30 {
				near, far := net.Pipe()
				c := New(near, Config{
					Errors: &testErrors, Ends: new(Ends), Owner: testOwner{},
					PingInterval: time.Second,
				})
				c.Start(nil)
				<-time.After(idleWait)
				c.CloseNow()
				<-c.Done()
				_ = far.Close()
			}
		})
	}
	wg.Wait()
}
