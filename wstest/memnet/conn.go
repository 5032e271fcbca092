package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultLimit is how many bytes a direction holds if no other limit is set: 64 KiB.
const DefaultLimit = 64 << 10

// A Conn is one end of a connection in memory. It is a [net.Conn] with a CloseWrite, as
// *net.TCPConn is.
//
// Its errors are *net.OpError, as those of TCP are. They wrap [net.ErrClosed],
// [os.ErrDeadlineExceeded], syscall.EPIPE or syscall.ECONNRESET. The end of the stream is a bare
// io.EOF.
//
// All methods may be called concurrently. Each Write leaves whole: the bytes of two Writes do not
// mix.
type Conn struct {
	mu            *sync.Mutex // one for both ends
	local, remote addr
	peer          *Conn
	in, out       *flow // guarded by mu

	readBy, writeBy deadline // guarded by mu
	closed          bool     // Close was called on this end; guarded by mu
	reset           bool     // the connection was cut; guarded by mu
}

var _ net.Conn = (*Conn)(nil)

// Pipe returns the two ends of a connection. The number limit limits the bytes that each direction
// holds. If zero or negative, [DefaultLimit].
func Pipe(limit int) (a, b *Conn) { return pipe(limit, "mem:a", "mem:b") }

func pipe(limit int, x, y addr) (a, b *Conn) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	mu := new(sync.Mutex)
	there, back := newFlow(mu, limit), newFlow(mu, limit)
	a = &Conn{mu: mu, local: x, remote: y, in: back, out: there}
	b = &Conn{mu: mu, local: y, remote: x, in: there, out: back, peer: a}
	a.peer = b
	for _, c := range []*Conn{a, b} {
		c.readBy.flow, c.writeBy.flow = c.in, c.out
	}
	return a, b
}

// Read waits until there is at least one byte, and returns the bytes that there are, at most
// len(p). Bytes come before the end: io.EOF after the peer's Close or CloseWrite, ECONNRESET after
// a cut. A read deadline that has passed fails it even if there are bytes.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.readErr(); err != nil {
			return 0, err
		}
		if n := c.in.take(p); n > 0 || len(p) == 0 {
			return n, nil
		}
		c.in.moved.Wait()
	}
}

// Write puts p into the buffer, and waits for room when there is none. If it fails, n is how many
// bytes were put there. It fails after its write deadline, after Close or CloseWrite of this end,
// after Close of the peer's end (EPIPE), and after a cut (ECONNRESET).
func (c *Conn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.writing {
		if err := c.writeErr(); err != nil {
			return 0, err
		}
		c.out.moved.Wait()
	}
	c.out.writing = true
	defer func() {
		c.out.writing = false
		c.out.moved.Broadcast()
	}()
	for {
		if err := c.writeErr(); err != nil {
			return n, err
		}
		m := c.out.put(p[n:])
		n += m
		if c.out.fuse == 0 {
			c.cut(c.out)
		}
		if n == len(p) {
			return n, nil
		}
		if m == 0 {
			c.out.moved.Wait()
		}
	}
}

// Close ends both directions. The peer reads the bytes that are buffered, and then io.EOF. The
// peer's Writes fail with EPIPE. Bytes on their way to this end are lost. Calls that wait on this
// end fail with [net.ErrClosed]. A second Close is an error.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.closed = true
	c.readBy.stop()
	c.writeBy.stop()
	c.in.gone = true
	c.in.drop()
	c.out.fin = true
	c.out.moved.Broadcast()
	return nil
}

// CloseWrite ends the outgoing direction. The peer reads the bytes that are buffered, and then
// io.EOF. Writes of this end fail with EPIPE. It can still read.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return c.fail("close", net.ErrClosed)
	case c.reset:
		return c.fail("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	c.out.fin = true
	c.out.moved.Broadcast()
	return nil
}

// LocalAddr returns the name of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the name of the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the read deadline and the write deadline. The zero time means none.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.readBy, &c.writeBy) }

// SetReadDeadline sets the time from which Reads fail, those that wait included. The zero time
// means never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readBy) }

// SetWriteDeadline sets the time from which Writes fail, those that wait included. The zero time
// means never.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeBy) }

func (c *Conn) setDeadlines(t time.Time, deadlines ...*deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		d.set(t)
	}
	return nil
}

// Buffered returns the number of bytes on their way to this end: those that it has not read, even
// if a fault holds them back.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.buf.Len()
}

// End returns the error that Read returns behind the buffered bytes: io.EOF or another one. It
// returns nil while more bytes may come.
func (c *Conn) End() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.fail("read", net.ErrClosed)
	}
	return c.end()
}

// Closed reports whether Close was called on this end.
func (c *Conn) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// end returns the end of the incoming direction. c.mu must be held.
func (c *Conn) end() error {
	switch {
	case c.reset:
		return c.fail("read", os.NewSyscallError("read", syscall.ECONNRESET))
	case c.in.fin:
		return io.EOF
	}
	return nil
}

// readErr returns why nothing can be read. c.mu must be held.
func (c *Conn) readErr() error {
	switch {
	case c.closed:
		return c.fail("read", net.ErrClosed)
	case c.readBy.passed():
		return c.fail("read", os.ErrDeadlineExceeded)
	case c.in.buf.Len() > 0:
		return nil // bytes come before the end
	case c.in.stalled && !c.reset:
		return nil // the end is held back as bytes are
	}
	return c.end()
}

// writeErr returns why nothing can be written. c.mu must be held.
func (c *Conn) writeErr() error {
	switch {
	case c.closed:
		return c.fail("write", net.ErrClosed)
	case c.writeBy.passed():
		return c.fail("write", os.ErrDeadlineExceeded)
	case c.reset:
		return c.fail("write", os.NewSyscallError("write", syscall.ECONNRESET))
	case c.out.fin || c.out.gone:
		return c.fail("write", os.NewSyscallError("write", syscall.EPIPE))
	}
	return nil
}

func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// An addr is the name of an end.
type addr string

func (addr) Network() string  { return "mem" }
func (a addr) String() string { return string(a) }
