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

// A testOwner ignores what it is told.
type testOwner struct{ errors *Errors }

func (testOwner) Ended(CloseInfo, error, error) {}
func (testOwner) Owns(context.Context) bool     { return false }
func (o testOwner) Errors() *Errors             { return o.errors }

var testErrors = Errors{
	Closed:  errClosed,
	Busy:    errors.New("busy"),
	Unclean: func(_ CloseInfo, err error) error { return err },
	Coded:   func(_ CloseInfo, err error) error { return err },
}

// newConn returns a Conn on nc that is not started. It sets the fields of cfg that each Conn needs.
func newConn(nc net.Conn, cfg Config) *Conn {
	cfg.Owner, cfg.Ends = testOwner{&testErrors}, new(Ends)
	return New(nc, &cfg)
}

// cut closes c, and waits for its end.
func cut(c *Conn) {
	c.CloseNow()
	<-c.end.done.Done()
}

// inBubble runs f in a bubble of synctest. It passes a client's Conn that has received input, and
// the peer's end of the transport. The windows are 256 bytes.
func inBubble(t *testing.T, input []byte, f func(t *testing.T, c *Conn, peer net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, Config{Client: true, ReadWindow: 256, WriteWindow: 256})
		t.Cleanup(func() {
			cut(c)
			_ = far.Close()
		})
		c.Start(input)
		f(t, c, far)
	})
}

// started returns a Conn on near that is started. Its windows are 64 KiB. It closes both ends when
// the test is over.
func started(t *testing.T, cfg Config, near, far net.Conn) *Conn {
	cfg.WriteWindow, cfg.ReadWindow = 64<<10, 64<<10
	c := newConn(near, cfg)
	t.Cleanup(func() {
		cut(c)
		_ = far.Close()
	})
	c.Start(nil)
	return c
}

// socketPair returns a server's Conn on TCP over loopback, and the peer's end. If limit is not 0,
// it is the size of the kernel's buffers at both ends.
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

// deflating returns two Conns that compress all messages, with context takeover.
func deflating() (client, server *Conn) {
	near, far := memnet.Pipe(0)
	one := func(nc net.Conn, client bool) *Conn {
		s := deflate.Sender{Bits: 12}
		c := newConn(nc, Config{
			Client:       client,
			ReadWindow:   1 << 16,
			WriteWindow:  1 << 16,
			MaxMessage:   1 << 20,
			CloseTimeout: time.Second,
			Deflate:      &Deflate{Ours: s, Peer: s, Level: 3},
		})
		c.Start(nil)
		return c
	}
	return one(near, true), one(far, false)
}

// until waits until done reports true. It must not be called in a bubble of synctest, whose clock
// stands still meanwhile.
func until(t *testing.T, done func() bool) {
	t.Helper()
	require.True(t, within(30*time.Second, done))
}

// within reports whether done reports true before limit is over.
func within(limit time.Duration, done func() bool) bool {
	for begin := time.Now(); time.Since(begin) < limit; runtime.Gosched() {
		if done() {
			return true
		}
	}
	return false
}

// untilStalled waits until a call of that kind waits for the transport to take more.
func untilStalled(t *testing.T, c *Conn, kind waiter) {
	t.Helper()
	until(t, func() bool { return stalls(c, kind) })
}

// stalls reports whether a call of that kind waits for the transport to take more.
func stalls(c *Conn, kind waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send.stalled().kind == kind
}

// stopIdleTimer prevents the idle timer from starting the background reader of c.
func stopIdleTimer(t *testing.T, c *Conn) {
	require.NoError(t, c.lockRead(t.Context()))
	defer c.unlockRead()
	if timer := c.idle.Load(); c.watchable != nil || timer != nil && !timer.Stop() {
		// It has fired, or fires soon, and finds readGate locked.
		until(t, func() bool { return !c.flags.has(isArmed) })
	}
	c.flags.set(isArmed)
}

// begun returns a Reader that has read the first byte of the next message.
func begun(t *testing.T, c *Conn) *Reader {
	t.Helper()
	r := new(Reader)
	require.NoError(t, c.Next(t.Context(), r))
	_, err := io.ReadFull(r, make([]byte, 1))
	require.NoError(t, err)
	return r
}

// goWrite calls Write on a new goroutine.
func goWrite(ctx context.Context, c *Conn, data []byte) <-chan error {
	wrote := make(chan error, 1)
	go func() { wrote <- c.Write(ctx, ws.OpBinary, data, false) }()
	return wrote
}

// A lateContext ends when the end of all pulls is known, and before a call looks at that again.
type lateContext struct {
	context.Context
	c *Conn
}

func (l lateContext) Err() error {
	if l.c.reads.final.Load() != nil {
		return context.Canceled
	}
	return nil
}
