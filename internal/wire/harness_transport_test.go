package wire

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// A deaf transport ignores deadlines: only Close ends its Read and its Write. A tls.Conn behaves so
// while its peer asks for a KeyUpdate and does not read.
type deaf struct {
	net.Conn // nil: its methods are not called
	shut     sync.Once
	closed   chan struct{}
	release  chan struct{} // Close and CloseWrite wait until it is closed; nil: they do not wait
	input    chan []byte
}

func (d *deaf) Read(p []byte) (int, error) {
	select {
	case b := <-d.input:
		return copy(p, b), nil
	case <-d.closed:
		return 0, net.ErrClosed
	}
}

func (d *deaf) Write([]byte) (int, error) {
	<-d.closed
	return 0, net.ErrClosed
}

func (d *deaf) Close() error {
	d.shut.Do(func() { close(d.closed) })
	return d.CloseWrite()
}

func (d *deaf) CloseWrite() error {
	if d.release != nil {
		<-d.release
	}
	return nil
}

func (d *deaf) SetDeadline(time.Time) error { return nil }

func (d *deaf) SetReadDeadline(time.Time) error { return nil }

func (d *deaf) SetWriteDeadline(time.Time) error { return nil }

// newDeaf returns a deaf transport. See release for its argument.
func newDeaf(release chan struct{}) *deaf {
	return &deaf{closed: make(chan struct{}), release: release, input: make(chan []byte, 10)}
}

// onDeaf returns a client's Conn on d that has received input.
func onDeaf(t *testing.T, d *deaf, input string) *Conn {
	c := newConn(d, Config{Client: true, ReadWindow: 1 << 10, WriteWindow: 1 << 10})
	c.Start([]byte(input))
	t.Cleanup(func() { cut(c) })
	return c
}

// A valve is a pollable transport in memory. It takes as many bytes as the test lets through.
type valve struct {
	c        *Conn
	net.Conn // nil: its methods are not called

	// onRecall is called once, when a write was recalled, before the Conn knows that; nil for none.
	onRecall func()

	mu      sync.Mutex
	moved   sync.Cond
	room    int // bytes that it takes
	closed  bool
	expired [2]bool // the deadline of reads, and of writes, is in the past
	wire    []byte  // the bytes that it has taken
}

// let lets n more bytes through. It waits until all goroutines of the bubble wait, and returns all
// bytes so far.
func (v *valve) let(n int) []byte {
	v.set(func() { v.room += n })
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wire
}

// set changes the valve, and wakes the calls that wait.
func (v *valve) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	v.moved.Broadcast()
}

func (v *valve) read(_ []byte, wait bool) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for wait && !v.closed && !v.expired[0] {
		v.moved.Wait()
	}
	switch {
	case v.expired[0]:
		return 0, os.ErrDeadlineExceeded
	case v.closed:
		return 0, io.EOF
	}
	return 0, nil
}

// No poller watches a valve, since it may be in a bubble.
func (v *valve) later()         { time.AfterFunc(idleWait, (*watched)(v.c).Idle) }
func (v *valve) takesAll() bool { return true }
func (*valve) watch() bool      { return false }
func (*valve) watchLost()       {}
func (*valve) requeue() bool    { return false }
func (*valve) mute()            {}
func (*valve) leave()           {}
func (*valve) isWatched() bool  { return false }

func (v *valve) write(first, last *chunk, wait bool) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for wait && v.room == 0 && !v.closed && !v.expired[1] {
		v.moved.Wait()
	}
	switch {
	case v.closed:
		return 0, net.ErrClosed
	case v.expired[1]:
		if f := v.onRecall; f != nil {
			v.onRecall = nil
			v.mu.Unlock()
			f()
			v.mu.Lock()
		}
		return 0, os.ErrDeadlineExceeded
	}
	for c := first; ; c = c.next {
		b := c.buf[c.taken:]
		b = b[:min(len(b), v.room)]
		v.wire = append(v.wire, b...)
		v.room -= len(b)
		if n += len(b); c == last {
			return n, nil
		}
	}
}

func (v *valve) SetReadDeadline(t time.Time) error {
	v.set(func() { v.expired[0] = !t.IsZero() })
	return nil
}

func (v *valve) SetWriteDeadline(t time.Time) error {
	v.set(func() { v.expired[1] = !t.IsZero() })
	return nil
}

func (v *valve) SetDeadline(time.Time) error { return nil }

func (v *valve) Close() error {
	v.set(func() { v.closed = true })
	return nil
}

// valved returns a server's Conn on a valve that takes nothing yet.
func valved(t *testing.T, cfg Config) (*Conn, *valve) {
	v := &valve{}
	v.moved.L = &v.mu
	cfg.WriteWindow, cfg.ReadWindow, cfg.MaxFrame = 64<<10, 64<<10, 64<<10
	c := newConn(v, cfg)
	v.c, c.watchable, c.nonblocking = c, v, v
	c.Start(nil)
	t.Cleanup(c.CloseNow)
	return c, v
}

// all lets all bytes through a valve.
const all = 1 << 30

// flushing returns a Conn whose flusher waits, with credit left. It calls f when a Write has
// recalled the flusher.
func flushing(t *testing.T, f func(c *Conn)) (*Conn, *valve) {
	c, v := valved(t, Config{})
	ok, err := c.TryWrite(ws.OpText, make([]byte, 20<<10), false)
	require.NoError(t, err)
	require.True(t, ok)
	v.let(100)
	require.Equal(t, inBackground, c.send.stalled().kind)
	v.onRecall = func() { f(c) }
	return c, v
}

// An endless is a transport that repeats the same bytes for ever, without a system call.
type endless struct {
	net.Conn
	data []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.data[e.at:])
	e.at = (e.at + n) % len(e.data)
	return n, nil
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }

func (e *endless) Close() error { return nil }

func (e *endless) SetDeadline(time.Time) error { return nil }

func (e *endless) SetReadDeadline(time.Time) error { return nil }

func (e *endless) SetWriteDeadline(time.Time) error { return nil }

// A mirror is a pollable transport on which the same frame comes for ever. Each read first borrows
// memory in vain, as a read of a socket does. If the memory is too small for the frame, the next
// read returns the rest.
type mirror struct {
	c      *Conn
	answer []byte
	rest   []byte // of the frame whose start was read
}

func (m *mirror) read([]byte, bool) (int, error) {
	m.c.recv.borrowBuffer()
	m.c.recv.returnBuffer()
	if len(m.rest) == 0 {
		m.rest = m.answer
	}
	n := copy(m.c.recv.borrowBuffer(), m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// No poller watches it, since calls alone read.
func (*mirror) later()          {}
func (*mirror) watch() bool     { return true }
func (*mirror) watchLost()      {}
func (*mirror) requeue() bool   { return false }
func (*mirror) mute()           {}
func (*mirror) leave()          {}
func (*mirror) isWatched() bool { return true }

func (m *mirror) takesAll() bool { return true }

func (m *mirror) write(first, last *chunk, _ bool) (n int, err error) {
	for c := first; ; c = c.next {
		if n += len(c.buf) - c.taken; c == last {
			return n, nil
		}
	}
}
