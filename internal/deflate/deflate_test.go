package deflate

import (
	"bytes"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// roundTrip compresses data with d. It inflates the result with the standard library, and with f,
// which refuses a copy from beyond the window.
func roundTrip(t *testing.T, d *Deflater, f *Inflater, data, dict []byte) []byte {
	t.Helper()
	m := d.Deflate(nil, data, true)
	got, _, err := f.Inflate(nil, m, math.MaxInt, true)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	got, err = stdInflate(m, dict)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	return m
}

func TestDeflateRoundTrips(t *testing.T) {
	for level := range 10 {
		for n := MinBits; n <= MaxBits; n++ {
			for _, s := range both(n) {
				d, f := NewDeflater(level, s), NewInflater(s)
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

func TestDeflateMakesOneByteOfAnEmptyMessage(t *testing.T) {
	for _, s := range both(15) {
		d := NewDeflater(DefaultLevel, s)
		for range 2 {
			require.Equal(t, []byte{0}, d.Deflate(nil, nil, true))
		}
		require.Equal(t, []byte{'x', 0}, d.Deflate(d.Deflate([]byte("x"), nil, false), nil, true))
		part := d.Deflate(nil, []byte("x"), false)
		require.Equal(t, append(bytes.Clone(part), 0), d.Deflate(part, nil, true))
	}
}

// The peer gets each part immediately.
func TestDeflateInParts(t *testing.T) {
	data := text(600, 7)
	for _, s := range both(15) {
		for _, part := range []int{1, 3, 100, 599} {
			d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
			for range 3 {
				var m, got []byte
				for rest := data; ; {
					n := min(part, len(rest))
					last := n == len(rest)
					p := d.Deflate(nil, rest[:n], last)
					m = append(m, p...)
					var err error
					got, _, err = f.Inflate(got, p, math.MaxInt, last)
					require.NoError(t, err)
					rest = rest[n:]
					if last {
						break
					}
					require.Len(t, got, len(data)-len(rest))
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

// The Inflater of roundTrip refuses a copy from too far away, as
// TestInflateRefusesACopyFromBeyondTheWindow checks.
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
			m := roundTrip(t, NewDeflater(9, s), NewInflater(s), append(append(bytes.Clone(at), 1), at...),
				nil)
			require.Less(t, len(m), 1<<n+1<<n/8+100, "the whole window is used, but for its last byte")
		}
	}
}

// Copies from earlier messages, and from earlier parts of a message, keep to the window, too.
func TestDeflateKeepsToItsWindowAcrossMessages(t *testing.T) {
	for n := MinBits; n <= MaxBits; n++ {
		for level := range 10 {
			data := noise(1 << n)
			d, f := NewDeflater(level, Sender{Bits: n}), NewInflater(Sender{Bits: n})
			dict := []byte{}
			for _, size := range []int{1 << n, 1<<n - 1, 1<<n - 100, 50, 200} {
				roundTrip(t, d, f, data[:size], dict)
				dict = append(dict, data[:size]...)
			}
			s := Sender{n, true}
			d, f = NewDeflater(level, s), NewInflater(s)
			var m []byte
			for range 3 {
				m = d.Deflate(m, data, false)
			}
			got, _, err := f.Inflate(nil, d.Deflate(m, data[:100], true), math.MaxInt, true)
			require.NoError(t, err)
			require.Len(t, got, 3<<n+100)
		}
	}
}

// A message refers back as far as its own length. So a long message that is repeated is short, and
// a short one need not search all of a long one.
func TestDeflateOfARepeatedMessageIsShort(t *testing.T) {
	for _, n := range []int{100, 1000, 5000, 16_000, 32_000} {
		d, f := NewDeflater(DefaultLevel, Sender{Bits: 15}), NewInflater(Sender{Bits: 15})
		data := noise(n)
		first := roundTrip(t, d, f, data, nil)
		require.GreaterOrEqual(t, len(first), n)
		require.Less(t, len(roundTrip(t, d, f, data, data)), n/50+20)
	}
}

func TestDeflateWithContextTakeoverIsShorter(t *testing.T) {
	var size [2]int
	for i, s := range both(12) {
		d := NewDeflater(DefaultLevel, s)
		for n := range 64 {
			size[i] += len(d.Deflate(nil, text(1024, n*37), true))
		}
	}
	require.Less(t, size[0]*4, size[1]*3)
}

// A message that was compressed once can be sent on many connections, if each Deflater remembers
// it.
func TestRememberMakesAMessageAPartOfTheContext(t *testing.T) {
	shared := text(3000, 5)
	m := NewDeflater(9, Sender{10, true}).Deflate(nil, shared, true)
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
			p := d.Deflate(nil, shared[2100:], true)
			got, _, err := f.Inflate(nil, p, math.MaxInt, true)
			require.NoError(t, err)
			require.Equal(t, string(shared[2100:]), string(got))
			if !s.NoTakeover {
				require.Less(t, len(p), 40)
			}
		}
	}
}

// Each of many concurrent connections gets the result that it would get alone.
func TestPooledStateChangesNoMessage(t *testing.T) {
	want := make([][]byte, 8)
	for i := range want {
		d := NewDeflater(6, Sender{Bits: MinBits + i, NoTakeover: true})
		m := newCompressor(d.kind(5000)).compress(nil, text(5000, i), nil)
		want[i] = m[:len(m)-4]
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			for round := range 10 {
				s := Sender{Bits: MinBits + i, NoTakeover: true}
				d, f := NewDeflater(6, s), NewInflater(s)
				d.Deflate(nil, text(3000, i+round), false)
				d.Close()
				m := d.Deflate(nil, text(5000, i), true)
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

// Without takeover, an Inflater borrows a window that another connection has used. It refuses
// copies from there.
func TestPooledWindowIsEmpty(t *testing.T) {
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

func TestHeldIsWhatTheDocSays(t *testing.T) {
	for n := MinBits; n <= MaxBits; n++ {
		for _, s := range both(n) {
			for _, c := range []struct{ longest, want int }{
				{10, 1024}, {1024, 1024}, {1025, 2048}, {5000, 8192}, {16_384, 16_384}, {100_000, 32_768},
			} {
				d, f := NewDeflater(DefaultLevel, s), NewInflater(s)
				require.Zero(t, d.held())
				require.Zero(t, f.held())
				for i := range 4 {
					_, _, err := f.Inflate(nil, d.Deflate(nil, text(c.longest-i%2, i), true), math.MaxInt, true)
					require.NoError(t, err)
				}
				if s.NoTakeover {
					require.Zero(t, d.held())
					require.Zero(t, f.held())
					d.Deflate(nil, text(c.longest, 0), false)
					require.LessOrEqual(t, d.held(), 32_768)
					d.Deflate(nil, nil, true)
					require.Zero(t, d.held())
					continue
				}
				require.Equal(t, min(c.want, 1<<n), d.held())
				require.LessOrEqual(t, f.held(), 1<<n)
				d.Close()
				require.Zero(t, d.held())
			}
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
				m = d.Deflate(m[:0], data[:n/2], false)
				m = d.Deflate(m, data[n/2:], true)
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
			m := d.Deflate(nil, data[:n], false)
			m = d.Deflate(m, data[n:], true)
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
