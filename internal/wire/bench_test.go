package wire

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

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

func (e *endless) Write(p []byte) (int, error)      { return len(p), nil }
func (e *endless) Close() error                     { return nil }
func (e *endless) SetDeadline(time.Time) error      { return nil }
func (e *endless) SetReadDeadline(time.Time) error  { return nil }
func (e *endless) SetWriteDeadline(time.Time) error { return nil }

func benchConn(b *testing.B, nc net.Conn) *Conn {
	c := New(nc, Config{
		ReadWindow:  64 << 10,
		WriteWindow: 64 << 10,
		MaxMessage:  1 << 20,
		Errors:      &testErrors,
		Owner:       testOwner{},
		Ends:        new(Ends),
	})
	c.Start(nil)
	b.Cleanup(c.CloseNow)
	return c
}

// BenchmarkPullWithoutKernel measures what a Pull costs besides system calls: a server's, of masked
// messages that come by the thousand.
func BenchmarkPullWithoutKernel(b *testing.B) {
	for _, op := range []ws.OpCode{ws.OpBinary, ws.OpText} {
		for _, size := range []int{0, 64, 1 << 10} {
			b.Run(fmt.Sprintf("%d/%dB", op, size), func(b *testing.B) {
				f := ws.MaskFrameInPlace(ws.NewFrame(op, true, bytes.Repeat([]byte("x"), size)))
				raw, err := ws.CompileFrame(f)
				require.NoError(b, err)
				c := benchConn(b, &endless{data: bytes.Repeat(raw, 1+1<<20/len(raw))})
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				var buf []byte
				b.ReportAllocs()
				for b.Loop() {
					if _, buf, err = c.Pull(ctx, buf); err != nil || len(buf) != size {
						b.Fatal(err, len(buf))
					}
				}
			})
		}
	}
}

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

// BenchmarkAnswerWithoutKernel measures what a Pull that waits and the Write of its answer cost
// beside system calls.
func BenchmarkAnswerWithoutKernel(b *testing.B) {
	f := ws.MaskFrameInPlace(ws.NewFrame(ws.OpBinary, true, make([]byte, 64)))
	raw, err := ws.CompileFrame(f)
	require.NoError(b, err)
	c := benchConn(b, &endless{data: raw})
	m := &mirror{c: c, answer: raw}
	c.pollable, c.nonblocking = m, m
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		op, data, err := c.Pull(ctx, buf)
		if err == nil {
			err = c.Write(ctx, op, data, false)
		}
		if err != nil {
			b.Fatal(err)
		}
		buf = data
	}
}
