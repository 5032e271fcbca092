package wire

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeepaliveDoesNotDelayTheBackgroundReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, Config{PingInterval: time.Hour})
		defer func() {
			cut(c)
			_ = far.Close()
		}()
		// unlockRead has armed the timer, and goes no further.
		c.background.timer.Load().Stop()
		c.background.armed.Store(true)
		c.readGate.Unlock()
		c.mu.Lock()
		c.dueByLocked(time.Now().Add(time.Minute))
		c.mu.Unlock()
		<-time.After(idleWait)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		require.Equal(t, inBackground, c.wait.kind)
	})
}

func TestKeepaliveIsNilWithoutOptions(t *testing.T) {
	require.Nil(t, newKeepalive(nil, &Config{PongTimeout: time.Second}))
	require.Nil(t, newKeepalive(nil, &Config{PingInterval: -1, IdleTimeout: -1, StallTimeout: -1}))
}

func TestStallOfAPeerThatPingsAndTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{StallTimeout: time.Minute})
		wrote := goWrite(t.Context(), c, make([]byte, 3<<20))
		v.let(100)
		for range 9 {
			c.answerPing(nil) // recalls the Write
			<-time.After(10 * time.Second)
		}
		c.mu.Lock()
		broken := c.end.facts().broken
		c.mu.Unlock()
		require.ErrorContains(t, broken, "WriteStallTimeout")
		c.CloseNow()
		<-wrote
	})
}
