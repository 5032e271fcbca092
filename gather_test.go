package wsstream_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

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

// BenchmarkAnswerOfABusyHandler measures from the Write of a gathered answer to its arrival, while the handler computes.
func BenchmarkAnswerOfABusyHandler(b *testing.B) {
	for _, procs := range []int{1, 2} {
		b.Run(fmt.Sprintf("%dprocs", procs), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			conn, far := rawServer(b)
			const burst = 64
			var rounds, answered atomic.Int64
			serveRaw(b, far, func() {
				many, buf := bytes.Repeat(maskedFrame(allocSize), burst), make([]byte, burst*frameLen(allocSize))
				for round := int64(1); ; round++ {
					if _, err := far.Write(many); err != nil {
						return
					}
					if _, err := io.ReadFull(far, buf[:frameLen(allocSize)]); err != nil {
						return
					}
					answered.Store(round)
					if _, err := io.ReadFull(far, buf[frameLen(allocSize):]); err != nil {
						return
					}
				}
			})
			var m wsstream.Message
			for b.Loop() {
				round := rounds.Add(1)
				for i := range burst {
					if err := conn.Readable().PullInto(b.Context(), &m); err != nil {
						b.Fatal(err)
					}
					if err := conn.Writable().Write(b.Context(), m); err != nil {
						b.Fatal(err)
					}
					for i == 0 && answered.Load() < round {
					}
				}
			}
		})
	}
}
