package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math"
	"testing"
)

// BenchmarkBothWays compresses and inflates a message: with the standard library, as most Go
// libraries do, and with this package.
func BenchmarkBothWays(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10} {
		msgs := make([][]byte, 64)
		for i := range msgs {
			msgs[i] = text(n, i*37)
		}
		run := func(name string, turn func(data []byte) int) {
			b.Run(fmt.Sprintf("%dKiB/%s", n>>10, name), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				size, i := 0, 0
				for b.Loop() {
					size += turn(msgs[i%len(msgs)])
					i++
				}
				b.ReportMetric(float64(n*i)/float64(size), "ratio")
			})
		}

		var r io.Reader = flate.NewReader(nil)
		peer, in, out := newStdPeer(1), new(bytes.Reader), make([]byte, n)
		run("std/1", func(data []byte) int {
			peer.buf.Reset()
			peer.w.Reset(&peer.buf)
			peer.w.Write(data)
			peer.w.Flush()
			size := peer.buf.Len() - 4
			peer.buf.Write([]byte{1, 0, 0, 0xff, 0xff})
			in.Reset(peer.buf.Bytes())
			r.(flate.Resetter).Reset(in, nil)
			io.ReadFull(r, out)
			return size
		})
		for _, bits := range []int{12, 15} {
			for _, s := range both(bits) {
				d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
				var m, got []byte
				run(fmt.Sprintf("ours/bits=%d/takeover=%v", bits, !s.NoTakeover), func(data []byte) int {
					m = d.Deflate(m[:0], data, true)
					got, _, _ = f.Inflate(got[:0], m, math.MaxInt, true)
					return len(m)
				})
			}
		}
	}
}
