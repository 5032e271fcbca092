package wire

import (
	"context"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

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

// A peer that does nothing is looked at when the first option asks for it, and not before.
func TestKeepaliveIsFirstDueWhenAnOptionAsksForIt(t *testing.T) {
	const window = 256
	for name, test := range map[string]struct {
		cfg      Config
		buffered int
		due      time.Duration // after Start; 0 for never
	}{
		"PingInterval":            {cfg: Config{PingInterval: 5}, due: 5},
		"IdleTimeout":             {cfg: Config{IdleTimeout: 5}, due: 5},
		"PingInterval is shorter": {cfg: Config{PingInterval: 4, IdleTimeout: 5}, due: 4},
		"IdleTimeout is shorter":  {cfg: Config{PingInterval: 6, IdleTimeout: 5}, due: 5},
		"WriteStallTimeout":       {cfg: Config{StallTimeout: 5}},
		"ReadStallTimeout":        {cfg: Config{ReadTimeout: 5}},
		"what came leaves a byte": {cfg: Config{ReadTimeout: 5}, buffered: window - 1},
		"what came fills the window": {
			cfg: Config{ReadTimeout: 5}, buffered: window, due: idleWait,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				defer func() { _ = far.Close() }()
				test.cfg.ReadWindow = window
				c := newConn(near, test.cfg)
				defer cut(c)
				start := clock()
				came := append([]byte("\x02\xfe\x10\x00\x00\x00\x00\x00"), make([]byte, window)...)
				c.Start(came[:test.buffered])
				c.mu.Lock()
				defer c.mu.Unlock()
				require.Equal(t, test.due > 0, c.alive.timer != nil)
				if test.due > 0 {
					require.Equal(t, start.add(test.due), c.alive.due)
				}
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
		{Config{PongTimeout: 1, StallTimeout: 5}, 5, stallStep}, // it sends no pings
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
		begin := clock()
		<-time.After(time.Second)
		k.heardOf(0)
		require.Equal(t, begin, k.heard)
		require.Equal(t, clock(), k.leftAt)
		k.heardOf(1)
		require.Equal(t, clock(), k.heard)
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
		require.Equal(t, clock(), c.alive.listensFrom)
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
		k, now := c.alive, clock()

		k.offered, k.moved = true, now
		due, rule := c.judgeProgressLocked()
		require.NoError(t, rule)
		require.Equal(t, now.add(limit/4), due)
		k.moved = now.add(-limit * 7 / 8)
		due, rule = c.judgeProgressLocked()
		require.NoError(t, rule)
		require.Equal(t, now.add(limit/8), due, "the limit itself comes first")

		k.full = now
		due, _, rule = c.judgeReaderLocked()
		require.NoError(t, rule)
		require.Equal(t, now.add(limit), due)
		k.full = now.add(-2 * limit)
		due, _, rule = c.judgeReaderLocked()
		require.NoError(t, rule)
		require.Equal(t, now.add(limit/4), due, "the window is still full, and the kernel notes no error")
	})
}

func TestStallIsNotPutOffByAWriteOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := valved(t, Config{StallTimeout: time.Minute})
		begin := clock()
		c.alive.moved = begin
		<-time.After(time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tookLocked(0, nil) // it was recalled
		require.Equal(t, begin, c.alive.moved)
	})
}

func TestReadStallIsNoticedWhateverFillsTheWindow(t *testing.T) {
	const limit = time.Minute
	start := "\x02\xfe\x01\xf4" + string(make([]byte, 300)) // of a message of 500 bytes
	for name, test := range map[string]struct {
		buffered string // behind the handshake
		comes    string
		pulls    bool
	}{
		"the background reader":           {comes: start},
		"what came behind the handshake":  {buffered: start},
		"a Pull whose context then ended": {comes: start, pulls: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				c := newConn(near, Config{ReadWindow: 256, ReadTimeout: limit})
				defer cut(c)
				c.Start([]byte(test.buffered))
				_, err := far.Write([]byte(test.comes))
				require.NoError(t, err)
				if test.pulls {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, _, err := c.Pull(ctx, nil)
					require.Equal(t, context.DeadlineExceeded, err)
				}
				begin := time.Now()
				f := readFrame(t, far)
				require.Equal(t, ws.OpClose, f.Header.OpCode)
				require.Contains(t, string(f.Payload), "ReadStallTimeout")
				require.LessOrEqual(t, time.Since(begin), limit+idleWait)
			})
		})
	}
}
