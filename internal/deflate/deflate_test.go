package deflate

import (
	"bytes"
	"math"
	"math/bits"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// roundTrip inflates what d makes of data, with the standard library and with f, which holds d to its window.
func roundTrip(t *testing.T, d *Deflater, f *Inflater, data, dict []byte) []byte {
	t.Helper()
	m := d.Deflate(nil, data, End)
	require.False(t, d.Open())
	got, _, err := f.Inflate(nil, m, math.MaxInt, true)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	got, err = stdInflate(m, dict)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	return m
}

func TestDeflateRoundTrips(t *testing.T) {
	for level := range searches[1:] {
		for n := MinBits; n <= MaxBits; n++ {
			for _, s := range both(n) {
				d, f := NewDeflater(level+1, s), NewInflater(s)
				var dict []byte
				for _, data := range [][]byte{
					text(1000, 1), nil, text(1000, 30), text(70_000, 3), {0}, noise(20_000), text(40_000, 9),
					make([]byte, 100_000), text(1000, 90), []byte("abc"), []byte("abcd"), noise(100),
				} {
					roundTrip(t, d, f, data, dict)
					if !s.NoTakeover {
						dict = append(dict, data...)
					}
				}
			}
		}
	}
}

func TestAnEmptyMessageIsOneByte(t *testing.T) {
	for _, s := range both(15) {
		d := NewDeflater(DefaultLevel, s)
		for range 2 {
			require.Equal(t, []byte{0}, d.Deflate(nil, nil, End))
		}
		require.Equal(t, []byte{'x', 0}, d.Deflate(d.Deflate([]byte("x"), nil, More), nil, End))
	}
}

// With Sync the peer gets all there is at once, with More at once or later, and End ends the message in any case.
func TestDeflateInParts(t *testing.T) {
	data := text(5000, 7)
	for _, s := range both(15) {
		for _, flush := range []Flush{More, Sync} {
			for _, part := range []int{1, 3, 100, 4999} {
				d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
				for range 3 {
					var m, got []byte
					for rest := data; ; {
						n := min(part, len(rest))
						how := flush
						if n == len(rest) {
							how = End
						}
						p := d.Deflate(nil, rest[:n], how)
						m = append(m, p...)
						var err error
						got, _, err = f.Inflate(got, p, math.MaxInt, how == End)
						require.NoError(t, err)
						rest = rest[n:]
						if how == End {
							break
						}
						require.True(t, d.Open())
						if flush == Sync {
							require.Len(t, got, len(data)-len(rest))
						}
					}
					require.Equal(t, string(data), string(got))
					if s.NoTakeover {
						want, err := stdInflate(m, nil)
						require.NoError(t, err)
						require.Equal(t, string(data), string(want))
					}
				}
			}
		}
	}
}

// TestInflateHoldsThePeerToItsWindow says that the Inflater of roundTrip finds a copy from too far away.
func TestDeflateKeepsToItsWindow(t *testing.T) {
	for n := MinBits; n <= MaxBits; n++ {
		for _, s := range both(n) {
			d, f := NewDeflater(9, s), NewInflater(s)
			at, next := noise(1<<n-2), noise(1<<n)
			for _, data := range [][]byte{
				append(bytes.Clone(next), next...),            // all of it is a copy from the window's end
				append(append(bytes.Clone(at), 1), at...),     // one byte nearer
				append(append(bytes.Clone(next), 1), next...), // one byte too far
				bytes.Repeat(next[:200], 1+(3<<n)/200),
			} {
				roundTrip(t, d, f, data, nil)
				d, f = NewDeflater(9, s), NewInflater(s)
			}
			m := roundTrip(t, NewDeflater(9, s), NewInflater(s), append(bytes.Clone(next), next...), nil)
			require.Less(t, len(m), 1<<n+1<<n/8+100, "the whole window is used")
		}
	}
}

func TestContextTakeoverIsWorthIt(t *testing.T) {
	var size [2]int
	for i, s := range both(12) {
		d := NewDeflater(DefaultLevel, s)
		for n := range 64 {
			size[i] += len(d.Deflate(nil, text(1024, n*37), End))
		}
	}
	require.Less(t, size[0]*4, size[1]*3)
}

// A message that was compressed once for many can be sent between others, if each Deflater is told.
func TestRemember(t *testing.T) {
	shared := text(3000, 5)
	m := NewDeflater(9, Sender{10, true}).Deflate(nil, shared, End)
	for _, s := range both(12) {
		d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
		for i := range 30 {
			if i%2 == 0 {
				d.Remember(shared)
				got, _, err := f.Inflate(nil, m, math.MaxInt, true)
				require.NoError(t, err)
				require.Equal(t, string(shared), string(got))
				continue
			}
			p := d.Deflate(nil, shared[1000:1900], End)
			got, _, err := f.Inflate(nil, p, math.MaxInt, true)
			require.NoError(t, err)
			require.Equal(t, string(shared[1000:1900]), string(got))
			if !s.NoTakeover {
				require.Less(t, len(p), 40)
			}
		}
	}
}

// What is pooled changes nothing: each of many connections at once gets what it would get alone.
func TestPooledStateIsNobodys(t *testing.T) {
	want := make([][]byte, 8)
	for i := range want {
		s := Sender{Bits: MinBits + i, NoTakeover: true}
		h := newHistory(s.Bits)
		h.reset(bits.Len(5000))
		want[i] = (&Deflater{sender: s, search: searches[6], history: h}).Deflate(nil, text(5000, i), End)
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			for round := range 50 {
				s := Sender{Bits: MinBits + i, NoTakeover: true}
				d, f := NewDeflater(6, s), NewInflater(s)
				d.Deflate(nil, text(3000, i+round), More)
				d.Close()
				m := d.Deflate(nil, text(5000, i), End)
				if !bytes.Equal(want[i], m) {
					t.Errorf("a message depends on what was compressed before")
					return
				}
				f.Inflate(nil, m[:round], math.MaxInt, false)
				f.Close()
				got, _, err := f.Inflate(nil, m, math.MaxInt, true)
				if err != nil || !bytes.Equal(got, text(5000, i)) {
					t.Errorf("a message depends on what was inflated before: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Without takeover an Inflater that another connection's window was borrowed for does not see into it.
func TestAPooledWindowIsEmpty(t *testing.T) {
	s := Sender{Bits: 15, NoTakeover: true}
	secret := NewInflater(s)
	_, _, err := secret.Inflate(nil, newStdPeer(0).message(text(1000, 1)), math.MaxInt, false)
	require.NoError(t, err)
	secret.Close()
	for range 10 {
		_, _, err = NewInflater(s).Inflate(nil, []byte{0x02, 0x11, 0x00, 0x00}, math.MaxInt, true)
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

func TestAPooledIndexIsEmpty(t *testing.T) {
	h := newHistory(12)
	for i := range h.head {
		h.head[i] = 7
	}
	h.reset(10)
	require.Zero(t, slices.Max(h.head[:1<<10]))
	require.Less(t, h.hash(math.MaxUint32), uint32(1<<10))
}

// Some inflaters want a code of distances even where there is none to decode.
func TestABlockWithoutCopiesHasACodeOfDistances(t *testing.T) {
	data := noise(150)
	for i := range data {
		data[i] &= 15
	}
	d, f := NewDeflater(9, Sender{Bits: 15}), NewInflater(Sender{Bits: 15})
	for _, data := range [][]byte{text(1000, 1), data} { // the codes of the first are not left over
		d.history = nil
		_, _, err := f.Inflate(nil, d.Deflate(nil, data, End), math.MaxInt, false)
		require.NoError(t, err)
		require.Same(t, &f.state.ownDist, f.state.dist)
		if data[0] != '{' {
			require.Equal(t, [maxCode + 1]uint16{1: 1}, f.state.dist.count)
		}
		_, _, err = f.Inflate(nil, nil, math.MaxInt, true)
		require.NoError(t, err)
	}
}

func TestHeldIsWhatTheDocSays(t *testing.T) {
	for _, c := range []struct{ bits, deflater, inflater int }{
		{8, 6912, 256},
		{9, 7680, 512},
		{10, 9216, 1024},
		{11, 14336, 2048},
		{12, 24576, 4096},
		{13, 49152, 8192},
		{14, 98304, 16384},
		{15, 147456, 32768},
	} {
		for _, s := range both(c.bits) {
			d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
			require.Zero(t, d.Held())
			require.Zero(t, f.Held())
			for i := range 100 {
				roundTrip(t, NewDeflater(DefaultLevel, s), NewInflater(s), text(1000, i), nil)
				_, _, err := f.Inflate(nil, d.Deflate(nil, text(1000, i), End), math.MaxInt, true)
				require.NoError(t, err)
			}
			if s.NoTakeover {
				require.Zero(t, d.Held())
				require.Zero(t, f.Held())
				continue
			}
			require.Equal(t, c.deflater, d.Held())
			require.Equal(t, c.inflater, f.Held())
		}
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		return
	}
	for _, s := range both(12) {
		for _, n := range []int{100, 1024, 65536} {
			d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
			data := text(n, 1)
			var m, got []byte
			turn := func() {
				m = d.Deflate(m[:0], data[:n/2], Sync)
				m = d.Deflate(m, data[n/2:], End)
				got, _, _ = f.Inflate(got[:0], m[:len(m)/2], n, false)
				got, _, _ = f.Inflate(got, m[len(m)/2:], n, true)
			}
			for range 100 {
				turn()
			}
			require.Zero(t, testing.AllocsPerRun(100, turn))
			require.Equal(t, string(data), string(got))
		}
	}
}

func FuzzDeflate(f *testing.F) {
	f.Add(text(700, 3), noise(100), uint8(5), uint8(12), uint16(100), true)
	f.Add(make([]byte, 3000), text(3000, 9), uint8(9), uint8(8), uint16(1000), false)
	f.Fuzz(func(t *testing.T, a, b []byte, level, window uint8, cut uint16, keep bool) {
		s := Sender{MinBits + int(window)%8, !keep}
		d, i := NewDeflater(1+int(level)%9, s), NewInflater(s)
		var dict []byte
		for _, data := range [][]byte{a, b, a, append(bytes.Clone(b), a...), b} {
			n := min(int(cut), len(data))
			m := d.Deflate(nil, data[:n], Flush(level%2))
			m = d.Deflate(m, data[n:], End)
			got, _, err := i.Inflate(nil, m, math.MaxInt, true)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			got, err = stdInflate(m, dict)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			if keep {
				dict = append(dict, data...)
			}
		}
	})
}
