package wire

import (
	"context"
	"io"
	"math"
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
		c.flags.set(isArmed)
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

// A ping came only after a quarter of StallTimeout, or never.
func TestKeepaliveBeginsWhateverIsCalledFirst(t *testing.T) {
	for name, call := range map[string]func(c *Conn, peer net.Conn){
		"a Write": func(c *Conn, peer net.Conn) {
			wrote := goWrite(context.Background(), c, make([]byte, 3))
			_, _ = io.ReadFull(peer, make([]byte, 5))
			<-wrote
		},
		"Discard":               func(c *Conn, _ net.Conn) { c.Discard() },
		"Discard, before Start": func(*Conn, net.Conn) {},
		"a Pull":                func(c *Conn, _ net.Conn) { go c.Pull(context.Background(), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				c := newConn(near, Config{PingInterval: time.Second, StallTimeout: time.Hour})
				defer func() {
					cut(c)
					_ = far.Close()
				}()
				if name == "Discard, before Start" {
					c.Discard()
				}
				start := time.Now()
				c.Start(nil)
				call(c, far)
				_, err := io.ReadFull(far, make([]byte, 10))
				require.NoError(t, err)
				require.Equal(t, time.Second, time.Since(start))
			})
		})
	}
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

func TestKeepaliveIsAsPatientAsItsShortestLimit(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	for _, c := range []struct {
		cfg      Config
		patience time.Duration
		step     int
	}{
		{Config{PingInterval: 3, PongTimeout: 2}, 2, math.MaxInt},
		{Config{PingInterval: 3}, 3, math.MaxInt},
		{Config{PingInterval: 3, IdleTimeout: 4, ReadTimeout: 2}, 2, math.MaxInt},
		{Config{IdleTimeout: 4, StallTimeout: 5, ReadTimeout: 6}, 4, stallStep},
		{Config{IdleTimeout: 6, StallTimeout: 5, ReadTimeout: 4}, 4, stallStep},
		{Config{PingInterval: -1, StallTimeout: 5}, 5, stallStep},
	} {
		k := newKeepalive(near, &c.cfg)
		require.Equal(t, c.patience, k.patience, c.cfg)
		require.Equal(t, c.step, k.step, c.cfg)
	}
	require.Nil(t, newKeepalive(near, &Config{PongTimeout: 1, CloseTimeout: 1, PingInterval: -1}))
}

func TestKeepaliveHearsNothingFromAReadThatWasRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		k := newKeepalive(near, &Config{PingInterval: time.Second})
		begin := time.Now()
		<-time.After(time.Second)
		k.heardOf(0)
		require.Equal(t, begin, k.heard)
		require.Equal(t, time.Now(), k.leftAt)
		k.heardOf(1)
		require.Equal(t, time.Now(), k.heard)
	})
}

func TestKeepaliveListensOnAfterAShortAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := newConn(near, Config{PingInterval: time.Second})
		begin := c.alive.listensFrom
		<-time.After(shortAbsence)
		c.listeningLocked()
		require.Equal(t, begin, c.alive.listensFrom)
		<-time.After(1)
		c.listeningLocked()
		require.Equal(t, time.Now(), c.alive.listensFrom)
	})
}

// The keepalive looks again soon while no goroutine reads, so the ping leaves soon after one does.
func TestKeepalivePingsSoonAfterTheBackgroundReaderStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = idleWait * 2 / 5 // it is over before the reader starts
		near, far := net.Pipe()
		c := newConn(near, Config{PingInterval: interval})
		defer func() {
			cut(c)
			_ = far.Close()
		}()
		begin := time.Now()
		c.Start(nil)
		readFrame(t, far)
		require.LessOrEqual(t, time.Since(begin), idleWait+interval/checks)
	})
}

// What the peer's kernel acknowledges between two checks counts from the second one on.
func TestKeepaliveChecksSeveralTimesWithinALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Minute
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := newConn(near, Config{StallTimeout: limit})
		k, now := c.alive, time.Now()

		k.offered, k.moved = true, now
		due, rule := c.judgeProgressLocked()
		require.NoError(t, rule)
		require.Equal(t, now.Add(limit/4), due)
		k.moved = now.Add(-limit * 7 / 8)
		due, rule = c.judgeProgressLocked()
		require.NoError(t, rule)
		require.Equal(t, now.Add(limit/8), due, "the limit itself comes first")

		k.full = now
		due, _, rule = c.judgeReaderLocked()
		require.NoError(t, rule)
		require.Equal(t, now.Add(limit), due)
		k.full = now.Add(-2 * limit)
		due, _, rule = c.judgeReaderLocked()
		require.NoError(t, rule)
		require.Equal(t, now.Add(limit/4), due, "the window is still full, and the kernel notes no error")
	})
}

func TestStallIsNotPutOffByAWriteOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := valved(t, Config{StallTimeout: time.Minute})
		begin := time.Now()
		c.alive.moved = begin
		<-time.After(time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tookLocked(0, nil) // it was recalled
		require.Equal(t, begin, c.alive.moved)
	})
}
