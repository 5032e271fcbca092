package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestTakePlainTakesAWholeFrameOrNothing(t *testing.T) {
	for _, side := range sides {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			for _, size := range []int{2, 3, 7, 8, 9, 31, 32, 33, 64, 70, 124, 125, 126, 127, 1 << 10} {
				t.Run(fmt.Sprintf("%s/op %d/%d bytes", side.name, op, size), func(t *testing.T) {
					payload := bytes.Repeat([]byte("0123456789abcdefghi"), 1+size/19)[:size]
					raw := framed(t, ws.NewFrame(op, true, payload), side.masked)
					for cut := range raw {
						in := inbox{state: side.state}
						feed(t, &in, raw[:cut], largeChunk)
						got, data := in.takePlain(nil, 0)
						require.Zero(t, got, "of the first %d bytes", cut)
						require.Empty(t, data)
						require.Equal(t, cut, in.held)
					}
					in := inbox{state: side.state}
					feed(t, &in, raw, largeChunk)
					dst := make([]byte, 0, size)
					got, data := in.takePlain(dst, size)
					require.Equal(t, op, got)
					require.Equal(t, payload, data)
					require.Same(t, &dst[:1][0], &data[0], "the payload is not in the caller's memory")
					require.Zero(t, in.held)
				})
			}
		}
	}
}

func TestTakePlainLeavesOtherFrames(t *testing.T) {
	binary := ws.NewFrame(ws.OpBinary, true, []byte("12345678"))
	first := ws.NewFrame(ws.OpBinary, false, []byte("12345678"))
	packed := ws.NewFrame(ws.OpBinary, true, []byte("12345678"))
	packed.Header.Rsv = rsv1
	for _, side := range sides {
		for _, test := range []struct {
			name  string
			frame ws.Frame
			limit int
		}{
			{name: "the first of several frames", frame: first},
			{name: "compressed", frame: packed},
			{name: "a ping", frame: ws.NewPingFrame([]byte("12345678"))},
			{name: "longer than the limit", frame: binary, limit: 7},
			{name: "not UTF-8", frame: ws.NewFrame(ws.OpText, true, []byte("1234567\xff"))},
			{
				name:  "text that ends inside a character",
				frame: ws.NewFrame(ws.OpText, true, []byte("1234567\xc3")),
			},
			{name: "with a length of 64 bits", frame: ws.NewFrame(ws.OpBinary, true, make([]byte, 1<<16))},
		} {
			t.Run(side.name+"/"+test.name, func(t *testing.T) {
				in := inbox{state: side.state.Set(ws.StateExtended)}
				feed(t, &in, framed(t, test.frame, side.masked), 1<<20)
				held := in.held
				op, data := in.takePlain(nil, test.limit)
				require.Zero(t, op)
				require.Empty(t, data)
				require.Equal(t, held, in.held)
			})
		}
	}
}

func TestTakePlainLeavesABegunMessage(t *testing.T) {
	for _, side := range sides {
		inner := framed(t, ws.NewFrame(ws.OpBinary, true, []byte("inner")), side.masked)
		payload := append([]byte("12345"), inner...)
		raw := framed(t, ws.NewFrame(ws.OpBinary, true, payload), false)
		if side.masked {
			raw = framed(t, ws.MaskFrameWith(ws.NewFrame(ws.OpBinary, true, payload), [4]byte{}), false)
		}
		in := inbox{state: side.state}
		feed(t, &in, raw, smallChunk)
		require.True(t, in.toPayload())
		_, err := in.takePayload(nil, 5)
		require.NoError(t, err)
		require.Equal(t, inner, in.head.buf[in.pullAt:], "the payload at the cursor looks like a frame")
		op, _ := in.takePlain(nil, 0)
		require.Zero(t, op)
	}
}

func TestTakePlainStopsAtASeal(t *testing.T) {
	for _, side := range sides {
		one := framed(t, ws.NewFrame(ws.OpBinary, true, []byte("one")), side.masked)
		end := framed(t, ws.NewCloseFrame(nil), side.masked)
		in := inbox{state: side.state}
		in.arrived(copy(in.space(smallChunk, smallChunk), bytes.Join([][]byte{one, end, one}, nil)))
		ctl, err := in.scan()
		require.NoError(t, err)
		require.Equal(t, ws.OpClose, ctl.op)
		in.seal()
		op, data := in.takePlain(nil, 0)
		require.Equal(t, ws.OpBinary, op)
		require.Equal(t, "one", string(data))
		for range 2 { // at the Close, and behind it
			op, _ = in.takePlain(nil, 0)
			require.Zero(t, op)
			require.False(t, in.toPayload())
		}
	}
}

func TestTakePlainReleasesAnEmptyChunk(t *testing.T) {
	one := framed(t, ws.NewFrame(ws.OpBinary, true, make([]byte, smallChunk-8)), true)
	require.Len(t, one, smallChunk)
	in := inbox{state: ws.StateServerSide}
	feed(t, &in, append(one, one...), smallChunk)
	require.NotSame(t, in.head, in.tail)
	op, _ := in.takePlain(nil, 0)
	require.Equal(t, ws.OpBinary, op)
	require.Same(t, in.head, in.tail)
}

func TestTakePlainKeepsTheOrderOfMessages(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, side := range sides {
		var raw []byte
		var want []string
		frame := func(op ws.OpCode, fin bool, payload string) {
			raw = append(raw, framed(t, ws.NewFrame(op, fin, []byte(payload)), side.masked)...)
		}
		for range 200 {
			text := strings.Repeat("é", []int{0, 1, 32, 62, 63, 500, 3000, 20000}[rng.IntN(8)])
			switch rng.IntN(4) {
			case 0:
				frame(ws.OpPing, true, "ping")
			case 1:
				frame(ws.OpText, false, text)
				frame(ws.OpPong, true, "")
				frame(ws.OpContinuation, true, text)
				want = append(want, text+text)
			default:
				frame(ws.OpText, true, text)
				want = append(want, text)
			}
		}
		for _, n := range []int{7, 100, 4096, 1 << 20} {
			in := inbox{state: side.state}
			var got []string
			var rest []byte
			for b := raw; len(b) > 0; b = b[min(n, len(b)):] {
				feed(t, &in, b[:min(n, len(b))], n)
				for {
					op, data := in.takePlain(nil, 0)
					if op == 0 && in.toPayload() {
						var err error
						rest, err = in.takePayload(rest, 1<<20)
						require.NoError(t, err)
						if op = in.op; !in.messageEnded() && in.left > 0 {
							break
						}
						if !in.messageEnded() {
							continue
						}
						data, rest = rest, nil
						in.endMessage()
					}
					if op == 0 {
						break
					}
					require.Equal(t, ws.OpText, op)
					got = append(got, string(data))
				}
			}
			require.Equal(t, want, got, "%d bytes in one step", n)
			require.Zero(t, in.held)
		}
	}
}
