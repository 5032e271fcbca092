package deflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The result is the same however the input is cut, and however little room there is.
func TestInflateGoesOnWhereItStopped(t *testing.T) {
	for level := -2; level <= 9; level++ {
		peer := newStdPeer(level)
		a, b := text(300, 1), text(300, 5)
		ma, mb := peer.message(a), peer.message(b)
		for cut := range mb {
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
				require.Nil(t, f.state, "the message is over")
			}
		}
	}
}

// The examples of RFC 7692, section 7.2.3.
func TestInflateTheExamplesOfTheRFC(t *testing.T) {
	f := NewInflater(Sender{Bits: 15})
	for _, c := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"one compressed block", []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, "Hello"},
		{"the same, in the context of the first", []byte{0xf2, 0x00, 0x11, 0x00, 0x00}, "Hello"},
		{"a block without compression",
			[]byte{0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00}, "Hello"},
		{"a final block", []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, "Hello"},
		{"two blocks",
			[]byte{0xf2, 0x48, 0x05, 0, 0, 0, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0}, "Hello"},
		{"an empty message", []byte{0x00}, ""},
	} {
		got, used, err := f.Inflate(nil, c.payload, 100, true)
		require.NoError(t, err, c.name)
		require.Equal(t, len(c.payload), used)
		require.Equal(t, c.want, string(got))
	}
}

// Some peers do not follow section 7.2.1 to the letter.
func TestInflateTakesAMessageThatEndsBetweenTwoBlocks(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"nothing", nil, ""},
		{"a final block, and nothing behind it", []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00},
			"Hello"},
		{"the four bytes left in",
			[]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff}, "Hello"},
		{"two final blocks", bytes.Repeat([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, 2),
			"HelloHello"},
	} {
		got, _, err := NewInflater(Sender{Bits: 15}).Inflate(nil, c.payload, 100, true)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, string(got))
	}
}

func TestInflateRefusesAMessageThatEndsInsideABlock(t *testing.T) {
	for level := -2; level <= 9; level++ {
		m := newStdPeer(level).message(text(300, 2))
		if level == 0 {
			continue // its blocks are whole bytes, between which a message may end
		}
		for n := 1; n < len(m); n++ {
			_, _, err := NewInflater(Sender{Bits: 15}).Inflate(nil, m[:n], math.MaxInt, true)
			require.ErrorIs(t, err, ErrTruncated, "level %d, %d of %d", level, n, len(m))
		}
	}
}

// bitString returns the bits of pairs: a number, and how many bits it has. A number of 3 or 14 bits
// begins with its lowest bit. All others are codes, which begin with their highest bit.
func bitString(p ...int) []byte {
	b := make([]byte, 64)
	o := 0
	for i := 0; i < len(p); i += 2 {
		v, n := uint64(p[i]), p[i+1]
		if n != 3 && n != 14 {
			v = bits.Reverse64(v) >> (64 - n)
		}
		for ; n > 0; n-- {
			b[o/8] |= byte(v&1) << (o % 8)
			v >>= 1
			o++
		}
	}
	return b[:o/8+2]
}

func TestInflateCountsTheBlocksThatEnd(t *testing.T) {
	f := NewInflater(Sender{Bits: 15})
	empty := []byte{0, 0, 0, 0xff, 0xff} // without compression
	require.Zero(t, f.Blocks())
	for _, n := range []int{1, 7} {
		got, _, err := f.Inflate(nil, bytes.Repeat(empty, n), math.MaxInt, false)
		require.NoError(t, err)
		require.Empty(t, got)
		require.Equal(t, n, f.Blocks())
		require.Zero(t, f.Blocks(), "they count once")
	}
	_, _, err := f.Inflate(nil, empty[:4], math.MaxInt, false)
	require.NoError(t, err)
	require.Zero(t, f.Blocks(), "the block has not ended")
}

func TestInflateRefusesCorruptData(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload []byte
	}{
		{"a block of the reserved kind", []byte{0x06, 0x00}},
		{"a length that its complement contradicts",
			[]byte{0x00, 0x05, 0x00, 0xfa, 0xfe, 1, 2, 3, 4, 5, 0}},
		{"a copy from before the start", []byte{0x02, 0x11, 0x00, 0x00}},
		{"a length symbol that may not occur", []byte{0x1b, 0x03}},
		// 'a', then 3 bytes from there
		{"a distance symbol that may not occur", bitString(1<<1, 3, 0x91, 8, 1, 7, 30, 5)},
		{"a code that leaves bits unused", bitString(2<<1, 3, 0, 14, 0, 3, 0, 3, 2, 3, 2, 3)},
		{"a repeat of no length", bitString(2<<1, 3, 0, 14, 1, 3, 0, 3, 0, 3, 1, 3, 1, 1)},
		{
			"more lengths than codes",
			bitString(2<<1, 3, 0, 14, 0, 3, 0, 3, 1, 3, 1, 3, 1, 1, 127, 7, 1, 1, 127, 7),
		},
		{"too many codes", []byte{0xfc, 0xff, 0xff, 0xff}},
		{"codes of lengths that do not fit", []byte{0x04, 0x00, 0xfe, 0xff, 0xff, 0xff}},
	} {
		f := NewInflater(Sender{Bits: 15})
		out, _, err := f.Inflate([]byte("kept"), c.payload, 100, true)
		require.ErrorIs(t, err, ErrCorrupt, c.name)
		require.Equal(t, "kept", string(out[:4]))
		require.Nil(t, f.state, "the message is over")
	}
}

// Bits that mean nothing are refused as soon as they have come, wherever a byte ends.
func TestInflateRefusesBitsThatAreNoCode(t *testing.T) {
	refuse := func(t *testing.T, e *encoder, bad, n int) {
		e.write(bad, n)
		bits := e.nbits
		e.write(0xff, -bits&7)
		f := NewInflater(Sender{Bits: 15})
		for i := range e.out {
			_, _, err := f.Inflate(nil, e.out[i:i+1], 100, false)
			if 8*(i+1) < bits {
				require.NoError(t, err, "%d of %d bits", 8*(i+1), bits)
				continue
			}
			require.ErrorIs(t, err, ErrCorrupt, "%d bits", bits)
		}
	}
	for _, c := range []struct {
		name    string
		lengths map[int]int // of the codes of lengths, by symbol
		before  []int       // zeros and ones
		bad, n  int
	}{
		{"lengths without a code", nil, nil, 0, 7},
		{"one code of a length, and not this one", map[int]int{17: 1}, nil, 1<<7 - 1, 7},
		{"a repeat of no length", map[int]int{16: 1}, nil, 0, 1},
		{"a repeat of no length, by another code", map[int]int{16: 1, 17: 1}, nil, 0, 1},
		{"more lengths than codes", map[int]int{18: 1}, []int{0, 1, 1, 1, 1, 1, 1, 1}, 127 << 1, 8},
		{"one length more than codes", map[int]int{18: 1},
			[]int{0, 1, 1, 1, 1, 1, 1, 1}, 110 << 1, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 4; n <= len(headerOrder); n++ {
				e := &encoder{}
				e.write(2<<1, 3)
				e.write((n-4)<<10, 14)
				for _, s := range headerOrder[:n] {
					e.write(c.lengths[int(s)], 3)
				}
				for _, bit := range c.before {
					e.write(bit, 1)
				}
				refuse(t, e, c.bad, c.n)
			}
		})
	}

	literals := make([]int, 258)
	literals['a'], literals[endBlock], literals[endBlock+1] = 1, 2, 2
	only := make([]int, 257)
	only[endBlock] = 1
	for _, c := range []struct {
		name      string
		lit, dist []int
		symbols   []int
	}{
		{"a block of nothing but its end", only, []int{0}, nil},
		{"a copy in a block without distances", literals, []int{0}, []int{'a', endBlock + 1}},
		{"a copy in a block with one distance", literals, []int{1}, []int{'a', endBlock + 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(50) {
				e := &encoder{Rand: rand.New(rand.NewPCG(seed, 2))}
				e.write(2<<1, 3)
				lit := codeOf(c.lit)
				e.header(lit, codeOf(c.dist))
				for _, s := range c.symbols {
					e.symbol(lit, s)
				}
				refuse(t, e, 1<<maxCode-1, maxCode)
			}
		})
	}
}

// The bits of the first block are read ahead: those of the second may be all that is left.
func TestInflateOfAShortBlockBehindAnotherGoesOnWhereItStopped(t *testing.T) {
	for n := range 4 {
		e := &encoder{}
		e.write(1<<1, 3)
		lit, _ := fixedCodes()
		for range n {
			e.symbol(lit, 'a')
		}
		e.symbol(lit, endBlock)
		for range 1 + n {
			e.write(0, 3)
			e.align()
			e.write(n, 16)
			e.write(n^0xffff, 16)
			e.write(0x636261, 8*n)
		}
		e.write(0, 3)
		e.align()
		for room := range byte(8) {
			compareInflaters(t, e.out, nil, []byte{room, 1}, 7, true)
			compareInflaters(t, e.out, []byte{1, 5}, []byte{room, 1}, 7, true)
		}
	}
}

func TestInflateNeedsRoomOnlyForBytesThatHaveCome(t *testing.T) {
	f := NewInflater(Sender{Bits: 15})
	got, used, err := f.Inflate(nil, []byte{0, 5, 0, 0xfa, 0xff, 'a', 'b'}, 2, false)
	require.NoError(t, err, "the other three are only declared")
	require.Equal(t, 7, used)
	got, used, err = f.Inflate(got, nil, 0, false)
	require.NoError(t, err)
	require.Zero(t, used)
	_, used, err = f.Inflate(got, []byte{'c'}, 0, false)
	require.ErrorIs(t, err, ErrRoom)
	require.Zero(t, used)
}

func TestInflateRefersToEarlierMessages(t *testing.T) {
	peer, f := newStdPeer(9), NewInflater(Sender{Bits: 15})
	for i := range 300 {
		data := text(100+i*7, i*31)
		if i%50 == 49 {
			data = noise(40_000 + i)
		}
		m := peer.message(data)
		got, _, err := f.Inflate(nil, m, math.MaxInt, true)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), i)
		require.LessOrEqual(t, f.held(), 1<<15)
	}
	m := peer.message(noise(20_000)[10_000:10_200])
	_, _, err := NewInflater(Sender{Bits: 15, NoTakeover: true}).Inflate(nil, m, math.MaxInt, true)
	require.ErrorIs(t, err, ErrCorrupt)
}

// A copy from beyond the agreed window is refused, even if the bytes are still in memory.
func TestInflateRefusesACopyFromBeyondTheWindow(t *testing.T) {
	block := noise(300)
	// The copy is 700 bytes away.
	data := append(append(bytes.Clone(block), noise(1000)[300:1000-300]...), block...)
	m := newStdPeer(9).message(data)
	for n := MinBits; n <= MaxBits; n++ {
		for _, peer := range both(n) {
			for _, cut := range []int{0, len(m) / 2, len(m) - 3} {
				f := NewInflater(peer)
				_, _, err := f.Inflate(nil, m[:cut], math.MaxInt, false)
				if err == nil {
					_, _, err = f.Inflate(nil, m[cut:], math.MaxInt, true)
				}
				if 1<<n < 700 {
					require.ErrorIs(t, err, ErrCorrupt)
				} else {
					require.NoError(t, err)
				}
			}
		}
	}
}

// zeros returns a compressed message of n MiB of zeros.
func zeros(n int) []byte {
	peer := newStdPeer(9)
	mib := make([]byte, 1<<20)
	m := append(peer.message(mib), 0, 0, 0xff, 0xff)
	next := append(peer.message(mib), 0, 0, 0xff, 0xff)
	m = append(m, bytes.Repeat(next, n-1)...)
	return m[:len(m)-4]
}

func TestInflateOfABombStopsAtTheLimit(t *testing.T) {
	bomb := zeros(1024)
	require.Less(t, len(bomb), 5<<18)
	for _, peer := range both(15) {
		for _, part := range []int{len(bomb), 1000} {
			f := NewInflater(peer)
			const limit = 1 << 20
			var got []byte
			var err error
			fed := 0
			for rest := bomb; err == nil; {
				n := min(part, len(rest))
				var used int
				got, used, err = f.Inflate(got, rest[:n], limit-len(got), n == len(rest))
				fed += used
				rest = rest[n:]
			}
			require.ErrorIs(t, err, ErrRoom)
			require.Len(t, got, limit)
			require.LessOrEqual(t, cap(got), 2*limit)
			require.Less(t, fed, 3000, "nothing is inflated beyond the limit")
			require.LessOrEqual(t, f.held(), 1<<15+inflateSize)
			f.Close()
			require.Zero(t, f.held())
		}
	}
}

// A block may declare 64 KiB that never come.
func TestInflateReservesMemoryForWhatHasCome(t *testing.T) {
	early := []byte{0, 0xff, 0xff, 0, 0, 'a'}
	got, _, err := NewInflater(Sender{Bits: 15}).Inflate(nil, early, math.MaxInt, false)
	require.NoError(t, err)
	require.Equal(t, "a", string(got))
	require.Less(t, cap(got), 100)
	early = []byte{0xf2, 0x48, 0xcd}
	got, _, err = NewInflater(Sender{Bits: 15}).Inflate(nil, early, math.MaxInt, false)
	require.NoError(t, err)
	require.Equal(t, "He", string(got))
	require.Less(t, cap(got), 100)
}

func TestInflateReservesNoMemoryForWhatWasRead(t *testing.T) {
	e := &encoder{Rand: rand.New(rand.NewPCG(1, 4))}
	e.write(2<<1, 3)
	lit := e.randomCode(286, maxCode, e.Perm(286))
	e.header(lit, codeOf([]int{1})) // some 150 bytes
	e.symbol(lit, 'a')
	e.align()
	got, _, err := NewInflater(Sender{Bits: 15}).Inflate(nil, e.out, math.MaxInt, false)
	require.NoError(t, err)
	require.Equal(t, "a", string(got))
	require.Less(t, cap(got), 150)

	lit, _ = fixedCodes()
	e = &encoder{}
	e.write(1<<1, 3)
	e.symbol(lit, 'a')
	e.align()
	got, _, err = NewInflater(Sender{Bits: 15}).Inflate(make([]byte, 1<<20), e.out, math.MaxInt, false)
	require.NoError(t, err)
	require.Len(t, got, 1<<20+1)
	require.Less(t, cap(got), 3<<19, "as append grows")
}

func TestInflateReservesNoMoreThanTheRoom(t *testing.T) {
	m := newStdPeer(9).message(text(5000, 1))
	got, _, err := NewInflater(Sender{Bits: 15}).Inflate(make([]byte, 1000), m, 1, false)
	require.ErrorIs(t, err, ErrRoom)
	require.Len(t, got, 1001)
	require.Less(t, cap(got), 2000, "as append grows")
}

func TestSkipKeepsTheContext(t *testing.T) {
	peer := newStdPeer(6)
	f := NewInflater(Sender{Bits: 15})
	for i := range 20 {
		data := text(20_000, i)
		m := peer.message(data)
		if i%3 > 0 {
			got, _, err := f.Inflate(nil, m, math.MaxInt, true)
			require.NoError(t, err)
			require.Equal(t, string(data), string(got))
			continue
		}
		n, used, err := f.Skip(m[:len(m)/2], len(data)-1, false)
		require.NoError(t, err)
		rest := m[used:]
		if i == 18 {
			_, _, err = f.Skip(rest, len(data)-1-n, true)
			require.ErrorIs(t, err, ErrRoom)
			return
		}
		more, used, err := f.Skip(rest, len(data)-n, true)
		require.NoError(t, err)
		require.Equal(t, len(data), n+more)
		require.Equal(t, len(rest), used)
	}
}

func TestSkipWithoutTakeoverInflatesNothing(t *testing.T) {
	f := NewInflater(Sender{Bits: 15, NoTakeover: true})
	m := newStdPeer(6).message(text(1000, 1))
	_, _, err := f.Inflate(nil, m[:100], math.MaxInt, false)
	require.NoError(t, err)
	n, used, err := f.Skip([]byte("no deflate data at all"), 0, true)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, 22, used)
	require.Nil(t, f.state, "the message is over")
	got, _, err := f.Inflate(nil, m, math.MaxInt, true)
	require.NoError(t, err)
	require.Equal(t, string(text(1000, 1)), string(got))
}

func TestInflateInflatesWhateverAnEncoderMayWrite(t *testing.T) {
	for seed := range uint64(200) {
		e := &encoder{Rand: rand.New(rand.NewPCG(seed, 0))}
		whole, parts := NewInflater(Sender{Bits: 15}), NewInflater(Sender{Bits: 15})
		for range 5 {
			before := e.plain[max(0, len(e.plain)-1<<15):]
			data, want := e.message()
			got, used, err := whole.Inflate(nil, data, math.MaxInt, true)
			require.NoError(t, err, seed)
			require.Equal(t, len(data), used)
			require.Equal(t, string(want), string(got), seed)
			if !e.final {
				std, err := stdInflate(data, before)
				require.NoError(t, err, "the encoder of this test is wrong")
				require.Equal(t, string(want), string(std))
			}
			got, err = inPieces(data, e.sizes(20), e.sizes(9), parts.Inflate)
			require.NoError(t, err, seed)
			require.Equal(t, string(want), string(got), seed)
		}
	}
}

func TestInflateReturnsEachByteAsSoonAsItsBitsHaveCome(t *testing.T) {
	for seed := range uint64(100) {
		e := &encoder{Rand: rand.New(rand.NewPCG(seed, 3))}
		data, want := e.message()
		f := NewInflater(Sender{Bits: 15})
		var got []byte
		for i := range data {
			var err error
			got, _, err = f.Inflate(got, data[i:i+1], math.MaxInt, false)
			require.NoError(t, err)
			n := 0
			for _, mark := range e.marks {
				if mark[0] <= 8*(i+1) {
					n = mark[1]
				}
			}
			require.Equal(t, string(want[:n]), string(got), "seed %d, %d bytes", seed, i+1)
		}
		_, _, err := f.Inflate(got, nil, 0, true)
		require.NoError(t, err)
	}
}

// A changed bit makes most messages invalid, in every way that there is.
func TestInflateRefusesWhatTheStandardLibraryRefuses(t *testing.T) {
	for seed := range uint64(1000) {
		e := &encoder{Rand: rand.New(rand.NewPCG(seed, 1))}
		data, _ := e.message()
		bit := e.IntN(8 * min(len(data), 60))
		data[bit/8] ^= 1 << (bit % 8)
		compareInflaters(t, data, e.sizes(20), e.sizes(9), uint8(e.IntN(8)), e.IntN(2) == 0)
	}
}

func FuzzInflate(f *testing.F) {
	f.Fuzz(compareInflaters)
}

// compareInflaters inflates a message twice, so that the second may refer to the first. Cut as cuts
// say, with the room that rooms say, it must inflate as it does whole. A part that is skipped must
// leave the same context. The standard library must inflate and refuse the same.
func compareInflaters(t *testing.T, data, cuts, rooms []byte, bits uint8, keep bool) {
	const most = 1 << 18
	s := Sender{MinBits + int(bits%8), !keep}
	whole, parts, skips := NewInflater(s), NewInflater(s), NewInflater(s)
	for nth := range 2 {
		want, used, wantErr := whole.Inflate(nil, data, most, true)
		if wantErr == ErrRoom {
			require.Len(t, want, most)
			return
		}
		got, err := inPieces(data, cuts, rooms, parts.Inflate)
		require.Equal(t, wantErr, err)
		require.True(t, bytes.Equal(want, got))
		require.Equal(t, whole.Blocks(), parts.Blocks())
		if nth == 0 {
			compareWithStd(t, data, want, wantErr)
			limited(t, s, data, want)
		}
		if wantErr != nil {
			return
		}
		require.Equal(t, len(data), used)
		got, err = inPieces(data, cuts, rooms, func(dst, src []byte, room int, fin bool) (
			[]byte, int, error,
		) {
			n, used, err := skips.Skip(src, room, fin)
			return append(dst, make([]byte, n)...), used, err
		})
		require.NoError(t, err)
		if keep {
			require.Equal(t, len(want), len(got))
			a, b := remembered(&whole.window), remembered(&skips.window)
			require.True(t, bytes.Equal(a, b))
		}
	}
}

// inPieces inflates a message in pieces of the sizes in cuts, with the room in rooms.
func inPieces(data, cuts, rooms []byte, inflate func(dst, src []byte, room int, fin bool) (
	[]byte, int, error,
)) (out []byte, err error) {
	for i := 0; ; i++ {
		n := len(data)
		if len(cuts) > 0 && i < 300 {
			n = min(n, int(cuts[i%len(cuts)]))
		}
		piece, fin := data[:n], n == len(data)
		data = data[n:]
		for j := 0; ; j++ {
			room := 1 + len(out)
			if len(rooms) > 0 && j < 300 {
				room = int(rooms[(i+j)%len(rooms)])
			}
			var used int
			out, used, err = inflate(out, piece, room, fin)
			if piece = piece[used:]; err != ErrRoom {
				break
			}
		}
		if err != nil || fin {
			return out, err
		}
	}
}

// remembered returns all bytes of a window.
func remembered(w *window) []byte {
	b := make([]byte, len(w.buf))
	w.copy(b, len(b))
	return b
}

// limited inflates a message whose whole result is want, with less and less room.
func limited(t *testing.T, s Sender, data, want []byte) {
	for room := len(want); room > 0; {
		room = min(room-1, room*2/3)
		i := NewInflater(s)
		got, _, err := i.Inflate(nil, data, room, true)
		require.Equal(t, ErrRoom, err)
		require.True(t, bytes.Equal(want[:room], got))
		i.Close()
	}
}

// compareWithStd compares what we make of a message with what the standard library does. That stops
// at a final block, and needs one.
func compareWithStd(t *testing.T, data, got []byte, err error) {
	tail, end := []byte{0, 0, 0xff, 0xff}, []byte{1, 0, 0, 0xff, 0xff}
	std := func(parts ...[]byte) (out []byte, left int, err error) {
		r := bytes.NewReader(slices.Concat(parts...))
		out, err = io.ReadAll(flate.NewReader(r))
		return out, r.Len(), err
	}
	want, left, stdErr := std(data, tail, end)
	if stdErr == nil && left == 0 {
		before, _, errBefore := std(data, tail)
		if errBefore == io.ErrUnexpectedEOF && bytes.Equal(want, before) { // end was a block of its own
			whole, _, err := NewInflater(Sender{MaxBits, true}).
				Inflate(nil, slices.Concat(data, tail), math.MaxInt, true)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, whole))
		}
	}
	if err != nil {
		return
	}
	if stdErr != nil { // the message ends between two blocks
		want, _, stdErr = std(data, end)
	}
	require.NoError(t, stdErr)
	require.True(t, bytes.HasPrefix(got, want))
}
