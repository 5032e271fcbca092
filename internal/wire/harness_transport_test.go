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

// A deaf transport's Read and Write end with its Close alone, as those of a tls.Conn may whose peer
// asks for a KeyUpdate and does not read.
type deaf struct {
	net.Conn // nil: what is not below is not called
	shut     sync.Once
	closed   chan struct{}
	grave    chan struct{} // Close and CloseWrite return when it is closed; nil: they do not wait
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
	if d.grave != nil {
		<-d.grave
	}
	return nil
}

func (d *deaf) SetDeadline(time.Time) error { return nil }

func (d *deaf) SetReadDeadline(time.Time) error { return nil }

func (d *deaf) SetWriteDeadline(time.Time) error { return nil }

func newDeaf(grave chan struct{}) *deaf {
	return &deaf{closed: make(chan struct{}), grave: grave, input: make(chan []byte, 10)}
}

func onDeaf(t *testing.T, d *deaf, input string) *Conn {
	c := New(d, Config{
		ReadWindow: 1 << 10, WriteWindow: 1 << 10, Client: true,
		Errors: &testErrors, Owner: testOwner{}, Ends: new(Ends),
	})
	c.Start([]byte(input))
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Done()
	})
	return c
}

// A valve is a transport with a prompt, in memory, that takes what it is told to, to the byte.
type valve struct {
	net.Conn        // nil: what is not below is not called
	onRecall func() // called once, by who has been brought back from a wait, before the Conn knows; nil for none

	mu     sync.Mutex
	moved  sync.Cond
	room   int // bytes that it takes
	closed bool
	poked  [2]bool // the deadline of reads, and of writes, is in the past
	wire   []byte
}

// let lets n more bytes through, and returns all that came so far once nobody moves any more.
func (v *valve) let(n int) []byte {
	v.set(func() { v.room += n })
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wire
}

func (v *valve) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	v.moved.Broadcast()
}

func (v *valve) read([]byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for !v.closed && !v.poked[0] {
		v.moved.Wait()
	}
	if v.poked[0] {
		return 0, os.ErrDeadlineExceeded
	}
	return 0, io.EOF
}

func (v *valve) write(first, last *chunk, wait bool) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for wait && v.room == 0 && !v.closed && !v.poked[1] {
		v.moved.Wait()
	}
	switch {
	case v.closed:
		return 0, net.ErrClosed
	case v.poked[1]:
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
	v.set(func() { v.poked[0] = !t.IsZero() })
	return nil
}

func (v *valve) SetWriteDeadline(t time.Time) error {
	v.set(func() { v.poked[1] = !t.IsZero() })
	return nil
}

func (v *valve) SetDeadline(time.Time) error { return nil }

func (v *valve) Close() error {
	v.set(func() { v.closed = true })
	return nil
}

// valved returns a server's Conn on a valve that is shut.
func valved(t *testing.T, cfg Config) (*Conn, *valve) {
	v := &valve{}
	v.moved.L = &v.mu
	cfg.WriteWindow, cfg.ReadWindow, cfg.MaxFrame = 64<<10, 64<<10, 64<<10
	cfg.Errors, cfg.Ends = &testErrors, new(Ends)
	cfg.Owner = testOwner{}
	c := New(v, cfg)
	c.pollable, c.nonblocking = v, v
	c.Start(nil)
	t.Cleanup(c.CloseNow)
	return c, v
}

const all = 1 << 30

// flushing returns a Conn whose flusher waits, with credit left, and calls f when a Write has
// called it back.
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

// An endless is a transport that gives the same bytes over and over, without a system call.
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

// A mirror is a pollable transport on which frames come for ever, each after a read in vain. A read
// that has no memory for all of a frame leaves the rest to the next: under load the background
// reader fills the window.
type mirror struct {
	c      *Conn
	answer []byte
	rest   []byte // of the frame that was last begun
}

func (m *mirror) read([]byte) (int, error) {
	m.c.recv.borrowBuffer()
	m.c.recv.returnBuffer()
	if len(m.rest) == 0 {
		m.rest = m.answer
	}
	n := copy(m.c.recv.borrowBuffer(), m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

func (m *mirror) write(first, last *chunk, _ bool) (n int, err error) {
	for c := first; ; c = c.next {
		if n += len(c.buf) - c.taken; c == last {
			return n, nil
		}
	}
}
