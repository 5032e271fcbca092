//go:build unix

package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// The benchmarks of the hot paths run over loopback TCP, with a server's Conn and a far side that
// speaks raw bytes. Those of other libraries, side by side with this one, are in the bench module.

// forEachSizeAndContext runs f for small and large messages, with a context that cannot end and one
// that can.
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

// BenchmarkIdle measures what 10,000 Conns at rest cost, both ends of 5,000 connections over TCP in
// one process: an operation is one second of rest. It needs 10,100 file descriptors, and is only of
// use with -benchtime 20x or more, which is one PingInterval.
func BenchmarkIdle(b *testing.B) {
	const conns = 5000
	for _, interval := range []time.Duration{0, 20 * time.Second, time.Second} {
		name := "off"
		if interval > 0 {
			name = "PingInterval=" + interval.String()
		}
		b.Run(name, func(b *testing.B) {
			before := inUse()
			idle(b, conns, interval)
			<-time.After(time.Second) // the background readers have begun
			held := inUse() - before
			cpu := cpuTime()
			n := 0
			for b.Loop() {
				<-time.After(time.Second)
				n++
			}
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(n), "cpu-µs/s")
			b.ReportMetric(float64(held)/(2*conns), "B/conn")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// idle opens connections that last until the benchmark's end, whose ends both ping.
func idle(b *testing.B, n int, interval time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close() })
	dialled := make(chan error)
	var mu sync.Mutex
	var all []*wsstream.Conn
	keep := func(c *wsstream.Conn) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, c)
	}
	go func() {
		for range n {
			c := wsstream.Dial(
				context.Background(),
				"ws://"+l.Addr().String(),
				&wsstream.DialOptions{PingInterval: interval},
			)
			_, err := c.Opened().Wait(context.Background())
			keep(c)
			dialled <- err
		}
	}()
	for range n {
		nc, err := l.Accept()
		require.NoError(b, err)
		c, err := wsstream.AcceptConn(context.Background(), nc,
			&wsstream.AcceptOptions{PingInterval: interval})
		require.NoError(b, err)
		keep(c)
		require.NoError(b, <-dialled)
	}
	b.Cleanup(func() {
		for _, c := range all {
			c.CloseNow()
			<-c.Closed().Done()
		}
	})
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSetUp measures a connection's life: the opening handshake, the closing one, and the end,
// eight concurrently. It includes the part of a raw client. It uses unix sockets, which cost the
// kernel a third of what TCP does.
func BenchmarkSetUp(b *testing.B) {
	keepalive := wsstream.AcceptOptions{PingInterval: 20 * time.Second}
	for _, setUp := range []struct {
		name    string
		options *wsstream.AcceptOptions
		ctx     func() (context.Context, context.CancelFunc) // of AcceptConn and of each Pull
	}{
		{"background", nil, neverEnds},
		{"cancellable", nil, mayEnd},
		{"keepalive", &keepalive, neverEnds},
	} {
		b.Run("bare/"+setUp.name, func(b *testing.B) {
			benchmarkSetUp(b, func(l net.Listener) {
				for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
					go func() { // ends with the connection
						ctx, cancel := setUp.ctx()
						defer cancel()
						if c, err := wsstream.AcceptConn(ctx, nc, setUp.options); err == nil {
							pullToEnd(ctx, c)
						}
					}()
				}
			})
		})
		b.Run("http/"+setUp.name, func(b *testing.B) {
			benchmarkSetUp(b, func(l net.Listener) {
				_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c, err := wsstream.Accept(w, r, setUp.options); err == nil {
						go func() { // ends with the connection
							ctx, cancel := setUp.ctx()
							defer cancel()
							pullToEnd(ctx, c)
						}()
					}
				}))
			})
		})
	}
}

func neverEnds() (context.Context, context.CancelFunc) { return context.Background(), func() {} }

func mayEnd() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}

func pullToEnd(ctx context.Context, c *wsstream.Conn) {
	defer c.CloseNow()
	for m := (wsstream.Message{}); c.Readable().PullInto(ctx, &m) == nil; {
	}
}

func benchmarkSetUp(b *testing.B, serve func(net.Listener)) {
	b.ReportAllocs()
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "l"))
	require.NoError(b, err)
	served := make(chan struct{})
	go func() { // ends with the listener
		defer close(served)
		serve(l)
	}()
	request := []byte("GET / HTTP/1.1\r\nHost: example.org\r\n" +
		"Connection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	closing := []byte("\x88\x82\x00\x00\x00\x00\x03\xe8")
	b.SetParallelism(8 / runtime.GOMAXPROCS(0))
	cpu := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 4<<10)
		for pb.Next() {
			far, err := net.Dial("unix", l.Addr().String())
			if err == nil {
				_, err = far.Write(request)
			}
			for n := 0; err == nil && !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")); {
				var k int
				k, err = far.Read(buf[n:])
				n += k
			}
			if err == nil {
				_, err = far.Write(closing)
			}
			for err == nil {
				_, err = far.Read(buf)
			}
			if err != io.EOF {
				b.Error(err)
				return
			}
			_ = far.Close()
		}
	})
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	_ = l.Close()
	<-served
}

// BenchmarkAnswerOfABusyHandler measures the time from the Write of an answer to its arrival. The
// answer is the first of 64, which are gathered. The handler computes meanwhile, and calls nothing.
// With one processor that time is one preemption.
func BenchmarkAnswerOfABusyHandler(b *testing.B) {
	for _, procs := range []int{1, 2} {
		b.Run(fmt.Sprintf("%dprocs", procs), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			const burst = 64
			conn, far := rawServer(b)
			many := bytes.Repeat(maskedFrame(allocSize), burst)
			answers := make([]byte, burst*frameLen(allocSize))
			var m wsstream.Message
			var waited time.Duration
			for b.Loop() {
				_, err := far.Write(many)
				require.NoError(b, err)
				for i := range burst {
					require.NoError(b, conn.Readable().PullInto(b.Context(), &m))
					require.NoError(b, conn.Writable().Write(b.Context(), m))
					if i == 0 {
						start := time.Now()
						for !readable(b, far) {
						}
						waited += time.Since(start)
					}
				}
				_, err = io.ReadFull(far, answers)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "µs/answer")
		})
	}
}

// readable reports whether nc has something to read, without letting another goroutine run.
func readable(b *testing.B, nc net.Conn) (yes bool) {
	raw, err := nc.(*net.TCPConn).SyscallConn()
	require.NoError(b, err)
	require.NoError(b, raw.Control(func(fd uintptr) {
		n, _, _ := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		yes = n > 0
	}))
	return yes
}

// BenchmarkTotals measures what it takes to ask a thousand open connections.
func BenchmarkTotals(b *testing.B) {
	var m wsstream.Meter
	const open = 1000
	for range open {
		wstest.Pair(b, &wstest.PairOptions{Accept: &wsstream.AcceptOptions{Meter: &m}})
	}
	for b.Loop() {
		if m.Totals().Open != open {
			b.Fatal("not all are open")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/open, "ns/conn")
}

// BenchmarkPipeConns measures a Pipe from one Conn to another, over loopback TCP: what a relay
// does, one way.
func BenchmarkPipeConns(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			src, far := rawServer(b)
			rawFlood(b, far, maskedFrame(size))
			dst, sink := rawServer(b)
			rawSwallow(b, sink)
			ctx, enough := context.WithCancel(b.Context())
			defer enough()
			const warm = 1000
			_ = stream.Pipe(
				ctx,
				dst.Writable(),
				src.Readable(),
				&stream.PipeOptions{Progress: func(n int64) {
					switch n {
					case warm:
						b.ResetTimer()
					case warm + int64(b.N):
						b.StopTimer()
						enough()
					}
				}},
			)
		})
	}
}
