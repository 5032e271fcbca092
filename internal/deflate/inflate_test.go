package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// text makes n bytes of JSON, different for each seed.
func text(n, seed int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i := seed; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"user":"user%d","price":%d.%02d,"active":%v,"note":"order number %d shipped to %s"},`,
			1000+i*7919%100000, i*31%977, i*17%500, i*13%100, i%3 == 0, i*101%9973, []string{"Berlin", "Paris", "Oslo", "Tokyo"}[i%4])
	}
	return b.Bytes()[:n]
}

// A stdPeer compresses messages with the standard library.
type stdPeer struct {
	buf bytes.Buffer
	w   *flate.Writer
}

func newStdPeer(level int) *stdPeer {
	p := &stdPeer{}
	p.w, _ = flate.NewWriter(&p.buf, level)
	return p
}

func (p *stdPeer) message(data []byte) []byte {
	p.buf.Reset()
	p.w.Write(data)
	p.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(p.buf.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// stdInflate inflates a message with the standard library.
func stdInflate(message, dict []byte) ([]byte, error) {
	r := flate.NewReaderDict(bytes.NewReader(append(bytes.Clone(message), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)), dict)
	return io.ReadAll(r)
}

func TestInflateEveryCut(t *testing.T) {
	for level := -2; level <= 9; level++ {
		peer := newStdPeer(level)
		a, b := text(300, 1), text(300, 5)
		ma, mb := peer.message(a), peer.message(b)
		for cut := range len(mb) {
			for _, room := range []int{1, 7, 299, 300, math.MaxInt} {
				f := NewInflater(Sender{Bits: 15})
				got, used, err := f.Inflate(nil, ma, math.MaxInt, true)
				require.NoError(t, err)
				require.Equal(t, len(ma), used)
				require.Equal(t, a, got)
				got = nil
				for i, part := range [][]byte{mb[:cut], mb[cut:]} {
					for {
						out, used, err := f.Inflate([]byte("x"), part, room, i == 1)
						got = append(got, out[1:]...)
						part = part[used:]
						if err == nil {
							require.Empty(t, part)
							break
						}
						require.ErrorIs(t, err, ErrRoom)
						require.Len(t, out, 1+room)
					}
				}
				require.Equal(t, string(b), string(got))
				require.False(t, f.Open())
			}
		}
	}
}

// Whatever the data and however it is cut, we inflate what the standard library does, and refuse what it refuses.
func FuzzInflate(f *testing.F) {
	f.Add([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, uint8(3), uint16(5))
	for level := -2; level <= 9; level++ {
		f.Add(newStdPeer(level).message(text(500, 9+level)), uint8(100), uint16(300))
	}
	tail := []byte{0, 0, 0xff, 0xff}
	f.Fuzz(func(t *testing.T, data []byte, cut uint8, room uint16) {
		inflate := func(data []byte) ([]byte, error) {
			i := NewInflater(Sender{Bits: 15, NoTakeover: true})
			n := min(int(cut), len(data))
			got, used, err := i.Inflate(nil, data[:n], int(room), false)
			for err == ErrRoom && len(got) < 1<<20 {
				var more int
				got, more, err = i.Inflate(got, data[used:n], int(room), false)
				used += more
			}
			if err == nil {
				require.Equal(t, n, used)
				got, _, err = i.Inflate(got, data[n:], 1<<20, true)
			}
			require.LessOrEqual(t, len(got), 1<<20+1<<20+1<<16)
			return got, err
		}
		std := func(data []byte) (got []byte, left int, err error) {
			r := bytes.NewReader(append(bytes.Clone(data), 1, 0, 0, 0xff, 0xff))
			got, err = io.ReadAll(io.LimitReader(flate.NewReader(r), 1<<19))
			return got, r.Len(), err
		}
		whole := append(bytes.Clone(data), tail...)
		if want, left, err := std(whole); err == nil && left == 0 && len(want) < 1<<19 && room > 0 {
			got, err := inflate(whole)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
		if got, err := inflate(data); err == nil && len(got) < 1<<19 {
			want, _, err := std(whole)
			if err != nil { // it ended between two blocks
				want, _, err = std(data)
			}
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(got, want)) // the standard library stops at a final block
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	for _, n := range []int{1024, 65536} {
		for _, keep := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/%v", n, keep), func(b *testing.B) {
				var msgs [][]byte
				peer := newStdPeer(1)
				for i := range 64 {
					if !keep || i == 0 {
						peer.w.Reset(&peer.buf)
					}
					msgs = append(msgs, peer.message(text(n, i*37)))
				}
				f := NewInflater(Sender{Bits: 15, NoTakeover: !keep})
				var out []byte
				b.SetBytes(int64(n))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if i++; i == 64 {
						i = 0
						f = NewInflater(Sender{Bits: 15, NoTakeover: !keep})
					}
					m := msgs[i]
					if i == 0 || !keep {
						m = msgs[0]
					}
					out, _, _ = f.Inflate(out[:0], m, math.MaxInt, true)
				}
			})
		}
	}
}
