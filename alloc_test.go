package wsstream_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// These tests hold what the doc comments say of allocations, for messages of 64 bytes over TCP, with the same
// cancellable context each time. The counts take in the whole process, so the far side runs in raw bytes, and
// where nothing has to block, on the test's own goroutine.

const allocSize = 64 // bytes of payload

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

func TestPullAllocatesItsDataAndNothingElse(t *testing.T) {
	for _, test := range pulls {
		t.Run(test.name, func(t *testing.T) {
			test.count(t, 1, func(ctx context.Context, r *wsstream.Readable) (int, error) {
				m, err := r.Pull(ctx)
				return len(m.Data), err
			})
		})
	}
}

func TestNextMessageAllocatesNothingForAReaderThatStaysWithItsCaller(t *testing.T) {
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

func TestAWriteThatNeedNotWaitAllocatesNothing(t *testing.T) {
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

func TestATryWriteAllocatesNothing(t *testing.T) {
	conn, far := rawServer(t)
	m, buf := wsstream.Binary(make([]byte, allocSize)), make([]byte, frameLen(allocSize))
	requireAllocs(t, 0, func() {
		if ok, err := conn.Writable().TryWrite(m); err != nil || !ok {
			t.Fatal(ok, err)
		}
		readFull(t, far, buf)
	})
}

func TestAWriteThatWaitsForCreditAllocatesNothing(t *testing.T) {
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

func cancellable(tb testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return ctx
}

// requireAllocs requires that f, once it has come to a steady state, allocates want times a run: what is made once
// in many runs, a goroutine of the library's or a buffer after a garbage collection, does not count.
func requireAllocs(t *testing.T, want float64, f func()) {
	t.Helper()
	for range 200 {
		f()
	}
	got := testing.AllocsPerRun(2000, f)
	if !raceEnabled {
		require.Equal(t, want, got, "allocations a run")
	}
}
