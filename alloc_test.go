package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// These tests check what the doc comments say of allocations, for messages of 64 bytes over TCP,
// with the same cancellable context each time. The counts are those of the whole process. So the
// far side sends and receives raw bytes. Where nothing has to block, it runs on the test's own
// goroutine.

func TestPullIntoAllocatesNothing(t *testing.T) {
	var m wsstream.Message
	for _, test := range pulls {
		t.Run(test.name, func(t *testing.T) {
			test.count(t, 0, func(ctx context.Context, r *wsstream.Readable) (int, error) {
				err := r.PullInto(ctx, &m)
				return len(m.Data), err
			})
		})
	}
}

func TestPullAllocatesOnlyItsData(t *testing.T) {
	for _, test := range pulls {
		t.Run(test.name, func(t *testing.T) {
			test.count(t, 1, func(ctx context.Context, r *wsstream.Readable) (int, error) {
				m, err := r.Pull(ctx)
				return len(m.Data), err
			})
		})
	}
}

// TestNextMessageAllocatesNothing: the MessageReader stays with its caller, so it is no
// allocation either.
func TestNextMessageAllocatesNothing(t *testing.T) {
	buf := make([]byte, 2*allocSize)
	for _, test := range pulls {
		t.Run(test.name, func(t *testing.T) {
			test.count(t, 0, func(ctx context.Context, r *wsstream.Readable) (n int, err error) {
				m, err := r.NextMessage(ctx)
				for err == nil {
					var k int
					k, err = m.Read(buf)
					n += k
				}
				if err == io.EOF {
					err = nil
				}
				return n, err
			})
		})
	}
}

type pull func(ctx context.Context, r *wsstream.Readable) (n int, err error)

// pulls are the ways in which a Pull can find its message.
var pulls = []struct {
	name  string
	count func(t *testing.T, want float64, f pull)
}{
	{"a message that is there", func(t *testing.T, want float64, f pull) {
		conn, far := rawServer(t)
		ctx := cancellable(t)
		frame := maskedFrame(allocSize)
		requireAllocs(t, want, func() {
			if _, err := far.Write(frame); err != nil {
				t.Fatal(err)
			}
			mustPull(t, ctx, conn, f)
		})
	}},
	{"one of many", func(t *testing.T, want float64, f pull) {
		conn, far := rawServer(t)
		ctx := cancellable(t)
		rawFlood(t, far, maskedFrame(allocSize))
		requireAllocs(t, want, func() { mustPull(t, ctx, conn, f) })
	}},
	{"an answer it has to wait for", func(t *testing.T, want float64, f pull) {
		conn, far := rawServer(t)
		ctx := cancellable(t)
		rawEcho(t, far, frameLen(allocSize), maskedFrame(allocSize))
		m := wsstream.Binary(make([]byte, allocSize))
		requireAllocs(t, want, func() {
			if err := conn.Writable().Write(ctx, m); err != nil {
				t.Fatal(err)
			}
			mustPull(t, ctx, conn, f)
		})
	}},
}

func mustPull(t *testing.T, ctx context.Context, conn *wsstream.Conn, f pull) {
	n, err := f(ctx, conn.Readable())
	if err != nil || n != allocSize {
		t.Fatalf("pulled %d bytes, %v", n, err)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		m    wsstream.Message
	}{
		{"binary", wsstream.Binary(make([]byte, allocSize))},
		{"text", wsstream.Text(string(make([]byte, allocSize)))},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, far := rawServer(t)
			ctx := cancellable(t)
			buf := make([]byte, frameLen(allocSize))
			requireAllocs(t, 0, func() {
				if err := conn.Writable().Write(ctx, test.m); err != nil {
					t.Fatal(err)
				}
				readFull(t, far, buf)
			})
		})
	}
}

func TestTryWriteAllocatesNothing(t *testing.T) {
	conn, far := rawServer(t)
	m, buf := wsstream.Binary(make([]byte, allocSize)), make([]byte, frameLen(allocSize))
	requireAllocs(t, 0, func() {
		if ok, err := conn.Writable().TryWrite(m); err != nil || !ok {
			t.Fatal(ok, err)
		}
		readFull(t, far, buf)
	})
}

func TestWriteThatWaitsForCreditAllocatesNothing(t *testing.T) {
	conn, far := rawServer(t)
	ctx := cancellable(t)
	rawSwallow(t, far)
	m := wsstream.Binary(make([]byte, 256<<10))
	requireAllocs(t, 0, func() {
		if err := conn.Writable().Write(ctx, m); err != nil {
			t.Fatal(err)
		}
	})
	require.NotZero(t, conn.Stats().Sent.Stalled)
}

func readFull(t *testing.T, nc net.Conn, buf []byte) {
	if _, err := io.ReadFull(nc, buf); err != nil {
		t.Fatal(err)
	}
}

func TestCompressionAllocatesNothing(t *testing.T) {
	m := wsstream.Text(jsonText(1, 1000))
	ready := m.Prepare()
	var got wsstream.Message
	buf := make([]byte, 2000)
	for name, c := range map[string]config{"takeover": packing, "own contexts": apart} {
		for way, pass := range map[string]func(t *testing.T, client, server *wsstream.Conn) error{
			"Write and PullInto": func(t *testing.T, client, server *wsstream.Conn) error {
				if err := client.Writable().Write(t.Context(), m); err != nil {
					return err
				}
				return server.Readable().PullInto(t.Context(), &got)
			},
			"TryWrite, and back": func(t *testing.T, client, server *wsstream.Conn) error {
				if _, err := server.Writable().TryWrite(m); err != nil {
					return err
				}
				return client.Readable().PullInto(t.Context(), &got)
			},
			"a prepared one": func(t *testing.T, client, server *wsstream.Conn) error {
				if err := server.Writable().Write(t.Context(), ready); err != nil {
					return err
				}
				return client.Readable().PullInto(t.Context(), &got)
			},
			"NextMessage": func(t *testing.T, client, server *wsstream.Conn) error {
				if err := client.Writable().Write(t.Context(), m); err != nil {
					return err
				}
				r, err := server.Readable().NextMessage(t.Context())
				for err == nil {
					_, err = r.Read(buf)
				}
				if err == io.EOF {
					return nil
				}
				return err
			},
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				near, far := pipes.TCP(t, 0)
				client, server := conns(t, c, near, far)
				requireAllocs(t, 0, func() { require.NoError(t, pass(t, client, server)) })
			})
		}
	}
}

func TestTraceAndMeterAllocateNothing(t *testing.T) {
	var in, out int64
	o := &wsstream.AcceptOptions{Meter: new(wsstream.Meter), Trace: &wsstream.Trace{
		MessageIn:  func(_ *wsstream.Conn, _ wsstream.Type, n int64) { in += n },
		MessageOut: func(_ *wsstream.Conn, _ wsstream.Type, n int64) { out += n },
	}}
	conn, far := rawServerWith(t, o)
	ctx := cancellable(t)
	rawEcho(t, far, frameLen(allocSize), maskedFrame(allocSize))
	m := wsstream.Binary(make([]byte, allocSize))
	var got wsstream.Message
	requireAllocs(t, 0, func() {
		if err := conn.Writable().Write(ctx, m); err != nil {
			t.Fatal(err)
		}
		if err := conn.Readable().PullInto(ctx, &got); err != nil {
			t.Fatal(err)
		}
	})
	require.Equal(t, conn.Stats().Received.Bytes, in)
	require.Equal(t, conn.Stats().Sent.Bytes, out)
}

// What is counted is a steady state, so it is the same for a gigabyte.
func TestPipeBetweenConnsAllocatesNothing(t *testing.T) {
	for _, size := range []int{64, 64 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			const warm, counted = 2000, 4000
			src, far := rawServer(t)
			rawFlood(t, far, maskedFrame(size))
			dst, sink := rawServer(t)
			rawSwallow(t, sink)
			ctx, enough := withCause(t)
			errEnough := errors.New("enough")
			var before, after runtime.MemStats
			err := stream.Pipe(
				ctx,
				dst.Writable(),
				src.Readable(),
				&stream.PipeOptions{Progress: func(n int64) {
					switch n {
					case warm:
						runtime.ReadMemStats(&before)
					case warm + counted:
						runtime.ReadMemStats(&after)
						enough(errEnough)
					}
				}},
			)
			require.Equal(t, errEnough, err)
			mallocs, bytes := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
			t.Logf("%d allocations, %d bytes, for %d messages", mallocs, bytes, counted)
			if !raceEnabled {
				require.Less(t, mallocs, uint64(counted/10), "allocations")
				require.Less(t, bytes, uint64(2<<20), "bytes") // a pool's buffers, after a garbage collection
			}
		})
	}
}

// TestAcceptConnAllocatesLittle: of a connection, from its request to its end. The standard library
// allocates most of that, for the request and its header.
func TestAcceptConnAllocatesLittle(t *testing.T) {
	in := append(wstest.UpgradeRequest("/"), ws.MustCompileFrame(
		ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))...)
	n := testing.AllocsPerRun(200, func() {
		c, err := wsstream.AcceptConn(t.Context(), &script{in: in}, nil)
		require.NoError(t, err)
		_, err = c.Readable().Pull(context.Background())
		require.Equal(t, io.EOF, err)
		c.CloseNow()
	})
	require.LessOrEqual(t, n, 50.0)
}

// A script is a transport whose input is known.
type script struct {
	net.Conn
	in []byte
}

func (s *script) Read(b []byte) (n int, err error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n = copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (*script) Write(b []byte) (int, error)      { return len(b), nil }
func (*script) Close() error                     { return nil }
func (*script) RemoteAddr() net.Addr             { return nil }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }
