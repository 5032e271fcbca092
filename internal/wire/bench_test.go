package wire

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func benchConn(b *testing.B, nc net.Conn) *Conn {
	c := newConn(nc, Config{ReadWindow: 64 << 10, WriteWindow: 64 << 10, MaxMessage: 1 << 20})
	c.Start(nil)
	b.Cleanup(c.CloseNow)
	return c
}

// BenchmarkPullWithoutKernel measures what a Pull costs beside system calls. A server pulls masked
// messages. One read returns many.
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

// BenchmarkAnswerWithoutKernel measures what a Pull that waits and the Write of its reply cost,
// beside system calls.
func BenchmarkAnswerWithoutKernel(b *testing.B) {
	f := ws.MaskFrameInPlace(ws.NewFrame(ws.OpBinary, true, make([]byte, 64)))
	raw, err := ws.CompileFrame(f)
	require.NoError(b, err)
	c := benchConn(b, &endless{data: raw})
	m := &mirror{c: c, answer: raw}
	c.watchable, c.nonblocking = m, m
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
