package wire

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// feed puts b into the inbox in pieces of at most n bytes, scans each, and returns the control
// frames.
func feed(t *testing.T, in *inbox, b []byte, n int) (controls []string) {
	t.Helper()
	for len(b) > 0 {
		m := copy(in.space(smallChunk, n), b)
		in.arrived(m)
		b = b[m:]
		for {
			c, err := in.scan()
			require.NoError(t, err)
			if c.op == 0 {
				break
			}
			controls = append(controls, string(rune('0'+c.op))+string(c.payload))
		}
	}
	return controls
}

// drain takes all whole messages.
func drain(t *testing.T, in *inbox, piece int) (messages []string) {
	t.Helper()
	var data []byte
	for in.toPayload() {
		var err error
		data, err = in.takePayload(data, piece)
		require.NoError(t, err)
		if in.messageEnded() {
			messages = append(messages, string(data))
			data = data[:0]
			in.endMessage()
		} else if in.left > 0 && !in.hasScanned() {
			break
		}
	}
	return messages
}

func TestFramesAreReadAlikeHoweverTheyArrive(t *testing.T) {
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
		for _, piece := range []int{1, 5, 1 << 20} {
			in := inbox{state: ws.StateServerSide}
			require.Equal(
				t,
				[]string{"9one", ":", "9" + strings.Repeat("p", 125)},
				feed(t, &in, b.Bytes(), n),
			)
			require.Equal(t, []string{"", "hé" + long, long + long}, drain(t, &in, piece))
			require.False(t, in.toPayload())
			require.Zero(t, in.held, "pieces of %d", n)
		}
	}
}

func TestControlFramesInFrontOfNothingAreNotHeld(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	ping := ws.MustCompileFrame(ws.NewPingFrame([]byte("still there?")))
	for range 10_000 {
		feed(t, &in, ping, 5)
		in.passControls()
	}
	require.Zero(t, in.held)
	require.Same(t, in.head, in.tail, "chunks are kept")
}

func TestOnlyWhatCameIsHeld(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	empty := bytes.Repeat(ws.MustCompileFrame(ws.NewTextFrame(nil)), 1000)
	feed(t, &in, empty, 777)
	require.Equal(t, 2000, in.held)
	require.Len(t, drain(t, &in, 1), 1000)
}

func TestNothingBehindASealCanBePulled(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	feed(t, &in, ws.MustCompileFrame(ws.NewTextFrame([]byte("before"))), 100)
	in.arrived(copy(in.space(smallChunk, 100), "\x81\x06behind"))
	in.seal()
	require.Equal(t, []string{"before"}, drain(t, &in, 100))
	require.Zero(t, in.held)
}

func TestRandomStreamsComeOutAsTheyWentIn(t *testing.T) {
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
