package wsstream_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/wsstream/wsstream"
)

// The benchmarks of the hot paths run over loopback TCP, with a server's Conn and a far side that speaks raw bytes.
// Those of other libraries, side by side with this one, are in the bench module.

// forEachSizeAndContext runs f for small and large messages, with a context that cannot end and one that can.
func forEachSizeAndContext(b *testing.B, f func(b *testing.B, ctx context.Context, size int)) {
	for _, size := range []int{64, 64 << 10} {
		for _, ctx := range []struct {
			name string
			ctx  context.Context
		}{
			{"background", context.Background()},
			{"cancellable", cancellable(b)},
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, ctx.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				f(b, ctx.ctx, size)
			})
		}
	}
}

func BenchmarkPull(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawFlood(b, far, maskedFrame(size))
		for b.Loop() {
			if _, err := conn.Readable().Pull(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPullInto(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawFlood(b, far, maskedFrame(size))
		var m wsstream.Message
		for b.Loop() {
			if err := conn.Readable().PullInto(ctx, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNextMessage(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawFlood(b, far, maskedFrame(size))
		buf := make([]byte, 32<<10)
		for b.Loop() {
			m, err := conn.Readable().NextMessage(ctx)
			for err == nil {
				_, err = m.Read(buf)
			}
			if err != io.EOF {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawSwallow(b, far)
		m := wsstream.Binary(make([]byte, size))
		for b.Loop() {
			if err := conn.Writable().Write(ctx, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkTryWrite(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawSwallow(b, far)
		m := wsstream.Binary(make([]byte, size))
		for b.Loop() {
			ok, err := conn.Writable().TryWrite(m)
			for !ok && err == nil {
				if err = conn.Writable().Ready(ctx); err == nil {
					ok, err = conn.Writable().TryWrite(m)
				}
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewMessage(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawSwallow(b, far)
		data := make([]byte, size)
		for b.Loop() {
			m, err := conn.Writable().NewMessage(ctx, wsstream.TypeBinary)
			if err == nil {
				_, err = m.Write(data)
			}
			if err == nil {
				err = m.Close()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPingPong measures a Write and the Pull that waits for its answer.
func BenchmarkPingPong(b *testing.B) {
	forEachSizeAndContext(b, func(b *testing.B, ctx context.Context, size int) {
		conn, far := rawServer(b)
		rawEcho(b, far, frameLen(size), maskedFrame(size))
		m := wsstream.Binary(make([]byte, size))
		var got wsstream.Message
		for b.Loop() {
			err := conn.Writable().Write(ctx, m)
			if err == nil {
				err = conn.Readable().PullInto(ctx, &got)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
