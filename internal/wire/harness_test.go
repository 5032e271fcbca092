package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/wstest/memnet"
)

var errClosed = errors.New("closed")

var errTestEnd = errors.New("ended")

// A testOwner takes no note of anything.
type testOwner struct{}

func (testOwner) Ended(CloseInfo, error, error) {}

func (testOwner) Owns(context.Context) bool { return false }

var testErrors = Errors{
	Closed:  errClosed,
	Busy:    errors.New("busy"),
	Unclean: func(_ CloseInfo, err error) error { return err },
	Coded:   func(_ CloseInfo, err error) error { return err },
}

// forced runs f in a bubble with a client's Conn that has got input, and with the peer's end of its
// transport.
func forced(t *testing.T, input []byte, f func(t *testing.T, c *Conn, peer net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := New(near, Config{
			Client:      true,
			ReadWindow:  256,
			WriteWindow: 256,
			Errors:      &testErrors,
			Owner:       testOwner{},
			Ends:        new(Ends),
		})
		t.Cleanup(func() {
			c.CloseNow()
			<-c.Done()
			_ = far.Close()
		})
		c.Start(input)
		f(t, c, far)
	})
}

// started returns a Conn with windows of 64 KiB on near, and closes both ends when the test is
// over.
func started(t *testing.T, cfg Config, near, far net.Conn) *Conn {
	cfg.WriteWindow, cfg.ReadWindow = 64<<10, 64<<10
	cfg.Errors, cfg.Ends = &testErrors, new(Ends)
	cfg.Owner = testOwner{}
	c := New(near, cfg)
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Done()
		_ = far.Close()
	})
	c.Start(nil)
	return c
}

// socketPair returns a server's Conn and the peer's end; limit bounds what the kernel holds of
// either where it is not 0.
func socketPair(t *testing.T, cfg Config, limit int) (*Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	near, err := l.Accept()
	require.NoError(t, err)
	if limit > 0 {
		require.NoError(t, near.(*net.TCPConn).SetWriteBuffer(limit))
		require.NoError(t, far.(*net.TCPConn).SetReadBuffer(limit))
	}
	return started(t, cfg, near, far), far
}

// deflating returns two Conns that compress all, with context takeover.
func deflating() (client, server *Conn) {
	near, far := memnet.Pipe(0)
	one := func(nc net.Conn, client bool) *Conn {
		s := deflate.Sender{Bits: 12}
		c := New(nc, Config{
			Client:       client,
			ReadWindow:   1 << 16,
			WriteWindow:  1 << 16,
			MaxMessage:   1 << 20,
			CloseTimeout: time.Second,
			Deflate:      &Deflate{Ours: s, Peer: s, Level: 3},
			Errors: &Errors{
				errTestEnd, errTestEnd,
				func(CloseInfo, error) error { return errTestEnd },
				func(CloseInfo, error) error { return errTestEnd },
			},
			Owner: testOwner{},
			Ends:  new(Ends),
		})
		c.Start(nil)
		return c
	}
	return one(near, true), one(far, false)
}

// neverIdle has no tick start the background reader of c.
func neverIdle(t *testing.T, c *Conn) {
	require.NoError(t, c.lockRead(t.Context()))
	defer c.unlockRead()
	if tick := c.background.timer.Load(); tick != nil && !tick.Stop() {
		for c.background.armed.Load() { // it has come, and found the gate held
			runtime.Gosched()
		}
	}
	c.background.armed.Store(true)
}

// begun has a Reader read the first byte of the next message.
func begun(t *testing.T, c *Conn) *Reader {
	t.Helper()
	r := new(Reader)
	require.NoError(t, c.Next(t.Context(), r))
	_, err := io.ReadFull(r, make([]byte, 1))
	require.NoError(t, err)
	return r
}

// goWrite writes on a goroutine of its own.
func goWrite(ctx context.Context, c *Conn, data []byte) <-chan error {
	wrote := make(chan error, 1)
	go func() { wrote <- c.Write(ctx, ws.OpBinary, data, false) }()
	return wrote
}

// untilStalled waits until a goroutine of that kind waits for room.
func untilStalled(t *testing.T, c *Conn, kind waiter) {
	t.Helper()
	require.True(t, stallsWithin(c, kind, 30*time.Second))
}

// stallsWithin reports whether a goroutine of that kind comes to wait for room in time.
func stallsWithin(c *Conn, kind waiter, limit time.Duration) bool {
	for begin := time.Now(); time.Since(begin) < limit; runtime.Gosched() {
		c.mu.Lock()
		now := c.send.stalled().kind
		c.mu.Unlock()
		if now == kind {
			return true
		}
	}
	return false
}

// A late context ends when the connection's end is known to pulls, and before they look at it
// again.
type late struct {
	context.Context
	c *Conn
}

func (l late) Err() error {
	if l.c.reads.final.Load() != nil {
		return context.Canceled
	}
	return nil
}
