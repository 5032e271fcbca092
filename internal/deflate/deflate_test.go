package deflate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDeflateRoundTrips(t *testing.T) {
	random := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{1}).Read(random)
	for level := 1; level <= 9; level++ {
		for bits := 8; bits <= 15; bits++ {
			for _, keep := range []bool{false, true} {
				d := NewDeflater(level, Sender{bits, !keep})
				f := NewInflater(Sender{bits, !keep})
				var dict []byte
				for i, data := range [][]byte{text(1000, 1), nil, text(1000, 30), text(100_000, 3), {0}, random, text(70_000, 9), make([]byte, 300_000), text(1000, 90)} {
					m := d.Deflate(nil, data, End)
					got, _, err := f.Inflate(nil, m, 1<<30, true)
					require.NoError(t, err, "level %d bits %d keep %v message %d", level, bits, keep, i)
					require.True(t, string(data) == string(got))
					if !keep {
						dict = nil
					}
					got, err = stdInflate(m, dict)
					require.NoError(t, err)
					require.True(t, string(data) == string(got))
					dict = append(dict, data...)
				}
			}
		}
	}
}

func BenchmarkDeflate(b *testing.B) {
	for _, n := range []int{1024, 65536} {
		for _, keep := range []bool{false, true} {
			for _, level := range []int{1, 2, 3, 4, 5, 6} {
				for _, bits := range []int{12, 15} {
					b.Run(fmt.Sprintf("%d/%v/L%d/w%d", n, keep, level, bits), func(b *testing.B) {
						var msgs [][]byte
						for i := range 64 {
							msgs = append(msgs, text(n, i*37))
						}
						d := NewDeflater(level, Sender{bits, !keep})
						var out []byte
						b.SetBytes(int64(n))
						b.ReportAllocs()
						i, total := 0, 0
						for b.Loop() {
							out = d.Deflate(out[:0], msgs[i%64], End)
							total += len(out)
							i++
						}
						b.ReportMetric(float64(n)*float64(i)/float64(total), "ratio")
					})
				}
			}
		}
	}
}
