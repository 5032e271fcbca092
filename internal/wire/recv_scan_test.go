package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestScanFindsTheSameFramesHoweverTheyArrive(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 700) // more than two chunks
	var b bytes.Buffer
	frame := func(op ws.OpCode, fin bool, payload string) {
		f := ws.NewFrame(op, fin, []byte(payload))
		require.NoError(t, ws.WriteFrame(&b, ws.MaskFrameInPlaceWith(f, [4]byte{1, 2, 3, 4})))
	}
	frame(ws.OpText, true, "")
	frame(ws.OpPing, true, "one")
	frame(ws.OpText, false, "hé")
	frame(ws.OpPong, true, "")
	frame(ws.OpContinuation, false, "")
	frame(ws.OpContinuation, true, long)
	frame(ws.OpBinary, true, long+long)
	frame(ws.OpPing, true, strings.Repeat("p", 125))

	for _, n := range []int{1, 2, 3, 7, 125, 4095, 4096, 1 << 20} {
		for _, limit := range []int{1, 5, 1 << 20} {
			in := inbox{state: ws.StateServerSide}
			require.Equal(
				t,
				[]string{"9one", ":", "9" + strings.Repeat("p", 125)},
				feed(t, &in, b.Bytes(), n),
			)
			require.Equal(t, []string{"", "hé" + long, long + long}, drain(t, &in, limit))
			require.False(t, in.toPayload())
			require.Zero(t, in.held, "%d bytes in one step", n)
		}
	}
}

func TestScanOfRandomStreams(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var b bytes.Buffer
		var want []string
		for range rnd.IntN(20) {
			var whole []byte
			op := ws.OpBinary
			for fin := false; !fin; op = ws.OpContinuation {
				fin = rnd.IntN(3) == 0
				part := make([]byte, rnd.IntN(1+rnd.IntN(10_000)))
				for i := range part {
					part[i] = byte(rnd.Uint32())
				}
				whole = append(whole, part...)
				require.NoError(t, ws.WriteFrame(&b, ws.NewFrame(op, fin, part)))
				if rnd.IntN(4) == 0 {
					require.NoError(t, ws.WriteFrame(&b, ws.NewPingFrame(nil)))
				}
			}
			want = append(want, string(whole))
		}
		in := inbox{state: ws.StateClientSide}
		feed(t, &in, b.Bytes(), 1+rnd.IntN(9000))
		require.Equal(t, want, drain(t, &in, 1+rnd.IntN(9000)))
		require.Zero(t, in.held)
	}
}

func TestScanChecksFramesBehindPlainOnes(t *testing.T) {
	for _, side := range sides {
		good := framed(t, ws.NewFrame(ws.OpBinary, true, []byte("12345678")), side.masked)
		mask := good[1] & 0x80
		// It is as long as if its length had 16 bits.
		other := append([]byte{0x82, mask ^ 0x80 | 8, 0, 126}, make([]byte, 200)...)
		rest := good[2:]
		for _, test := range []struct {
			name string
			raw  []byte
			rule string
		}{
			{"masked by a server, or not masked by a client", other, ""},
			{
				"a length not in the fewest bytes",
				append([]byte{0x82, mask | 126, 0, 8}, rest...),
				errLength.Error(),
			},
			{"a reserved bit", append([]byte{0xa2, mask | 8}, rest...), ""},
			{"a reserved opcode", append([]byte{0x83, mask | 8}, rest...), ""},
			{"a continuation of nothing", append([]byte{0x80, mask | 8}, rest...), ""},
		} {
			t.Run(side.name+"/"+test.name, func(t *testing.T) {
				in := inbox{state: side.state}
				raw := append(bytes.Clone(good), test.raw...)
				in.arrived(copy(in.space(smallChunk, smallChunk), raw))
				_, err := in.scan()
				require.ErrorContains(t, err, test.rule)
				require.Equal(t, len(test.raw), in.unscanned, "the scan passes the frame before")
			})
		}
	}
}

func TestScanFindsAMessageInsideAnother(t *testing.T) {
	for _, side := range sides {
		var raw []byte
		for _, f := range []ws.Frame{
			ws.NewFrame(ws.OpBinary, true, []byte("whole")),
			ws.NewFrame(ws.OpBinary, false, []byte("begun")),
			ws.NewFrame(ws.OpBinary, true, []byte("inside")),
		} {
			raw = append(raw, framed(t, f, side.masked)...)
		}
		in := inbox{state: side.state}
		in.arrived(copy(in.space(smallChunk, smallChunk), raw))
		_, err := in.scan()
		require.ErrorIs(t, err, ws.ErrProtocolContinuationExpected)
	}
}

func TestScanOfAPlainFrameEndsARunOfEmptyFrames(t *testing.T) {
	in := inbox{state: ws.StateServerSide}
	ping := framed(t, ws.NewPingFrame(nil), true)
	pings := func(n int) (err error) {
		for range n {
			in.arrived(copy(in.space(smallChunk, smallChunk), ping))
			if _, err = in.scan(); err != nil {
				break
			}
			in.passControls()
		}
		return err
	}
	require.NoError(t, pings(maxEmpty))
	feed(t, &in, framed(t, ws.NewFrame(ws.OpBinary, true, nil), true), smallChunk)
	op, _ := in.takePlain(nil, 0)
	require.Equal(t, ws.OpBinary, op)
	require.NoError(t, pings(maxEmpty))
	require.ErrorIs(t, pings(1), errFlood)
}

// IdleTimeout and the pong timer go by it.
func TestScanNotesThatAMessageComesFurther(t *testing.T) {
	in := inbox{state: ws.StateClientSide, progress: 100}
	long := ws.NewBinaryFrame(make([]byte, 2*smallChunk))
	long.Header.Fin = false
	first := framed(t, long, false)
	last := framed(t, ws.NewFrame(ws.OpContinuation, true, make([]byte, smallChunk)), false)
	for _, input := range [][]byte{
		first[:smallChunk],
		first[smallChunk : smallChunk+1],
		slices.Concat(first[smallChunk+1:], last[:10]),
		last[10:],
		framed(t, ws.NewTextFrame([]byte("plain")), false),
	} {
		before := in.progress
		feed(t, &in, input, largeChunk)
		require.Greater(t, in.progress, before)
	}
	before := in.progress
	require.NoError(t, in.landed(nil))
	require.Greater(t, in.progress, before)
	before = in.progress
	feed(t, &in, framed(t, ws.NewPingFrame(nil), false), largeChunk)
	require.Equal(t, before, in.progress, "a ping is no part of a message")
}

// RFC 6455, section 5.2.
func TestScanRefusesALengthThatIsNotTheShortest(t *testing.T) {
	for n := range maxControl + 2 {
		in := inbox{state: ws.StateClientSide}
		b := append([]byte{0x82, 126, 0, byte(n)}, make([]byte, n)...)
		in.arrived(copy(in.space(smallChunk, smallChunk), b))
		_, err := in.scan()
		require.Equal(t, n <= maxControl, err != nil, n)
	}
}

func TestScanTakesFragmentsForAFloodOnlyIfTheyAreEmpty(t *testing.T) {
	for payload, want := range map[string]error{"": errFlood, "a": nil} {
		synctest.Test(t, func(t *testing.T) {
			fragment := ws.NewFrame(ws.OpContinuation, false, []byte(payload))
			in := inbox{state: ws.StateClientSide | ws.StateFragmented}
			b := bytes.Repeat(framed(t, fragment, false), maxEmpty)
			feed(t, &in, b, largeChunk)
			in.arrived(copy(in.space(smallChunk, smallChunk), framed(t, fragment, false)))
			_, err := in.scan()
			require.Equal(t, want, err)
		})
	}
}
