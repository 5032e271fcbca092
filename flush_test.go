//go:build unix

package wsstream_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// onProcessors runs f with one processor and with two. Conns with one have nobody to gather for them.
func onProcessors(t *testing.T, f func(t *testing.T)) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d", n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			f(t)
		})
	}
}

func TestAnAnswerLeavesWhileItsHandlerComputes(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		conn, far := rawServer(t)
		var answered atomic.Bool
		serveRaw(t, far, func() {
			_, err := far.Write(bytes.Repeat(maskedFrame(allocSize), 64))
			if err == nil {
				_, err = io.ReadFull(far, make([]byte, frameLen(allocSize)))
			}
			answered.Store(err == nil)
		})
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.NoError(t, conn.Writable().Write(t.Context(), m))
		for !answered.Load() { // nor a call that could send it
			require.NoError(t, t.Context().Err())
		}
	})
}

func TestWhatABurstGatheredLeavesWhileItsWriterComputes(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		const n = 50
		conn, far := rawServer(t)
		var arrived atomic.Bool
		serveRaw(t, far, func() {
			_, err := io.ReadFull(far, make([]byte, n*frameLen(allocSize)))
			arrived.Store(err == nil)
		})
		for range n {
			require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, allocSize))))
		}
		for !arrived.Load() {
			require.NoError(t, t.Context().Err())
		}
	})
}

// BenchmarkAnswerOfABusyHandler measures from the Write of the first of 64 answers, which are gathered, to its arrival,
// while the handler computes and calls nothing: with one processor that is one preemption.
func BenchmarkAnswerOfABusyHandler(b *testing.B) {
	for _, procs := range []int{1, 2} {
		b.Run(fmt.Sprintf("%dprocs", procs), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			const burst = 64
			conn, far := rawServer(b)
			many, answers := bytes.Repeat(maskedFrame(allocSize), burst), make([]byte, burst*frameLen(allocSize))
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
