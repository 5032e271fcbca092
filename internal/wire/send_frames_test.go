package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

func TestFramesKeepToTheLimit(t *testing.T) {
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	for _, test := range []struct {
		name   string
		limit  int
		frames int
	}{
		{"frames smaller than a piece", 50_000, 6},
		{"frames of several pieces", 200_000, 2},
		{"one frame a message", 0, 1},
	} {
		for _, client := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				f, o := newFramer(client, test.limit), outbox{}
				p := piece{op: ws.OpBinary, rest: data, fin: true}
				queued := 0
				for !p.done() {
					queued += f.size(&p)
					o.encode(&f, &p)
				}
				wire := leave(&o, 9999)
				require.Len(t, wire, queued, "size and encode disagree")
				all := frames(t, wire)
				require.Len(t, all, test.frames)
				var got []byte
				for i, f := range all {
					require.Equal(t, client, f.Header.Masked)
					require.Equal(t, i == len(all)-1, f.Header.Fin)
					require.Equal(
						t,
						map[bool]ws.OpCode{true: ws.OpBinary, false: ws.OpContinuation}[i == 0],
						f.Header.OpCode,
					)
					got = append(got, f.Payload...)
				}
				require.Equal(t, data, got)
			})
		}
	}
}

func TestFramesOfEncodeAreThoseOfWrite(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 10_000)
	for _, limit := range []int{0, 100, 30_000, 200_000} {
		var direct, ready outbox
		f := newFramer(false, limit)
		p := piece{op: ws.OpText, rest: data, fin: true}
		for !p.done() {
			direct.encode(&f, &p)
		}
		p = piece{ready: Encode(ws.OpText, data, Encoding{MaxFrame: limit}), fin: true}
		queued := 0
		for !p.done() {
			queued += f.size(&p)
			ready.encode(&f, &p)
		}
		require.Equal(t, queued, ready.held())
		require.Equal(t, leave(&direct, 1<<20), leave(&ready, 999))
	}
}

func TestFramesOfEncodeAreCompressed(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	for _, limit := range []int{0, 10} {
		var b []byte
		for i, raw := range Encode(ws.OpBinary, data, Encoding{MaxFrame: limit, Bits: 12, Level: 1}) {
			f := frames(t, raw)[0]
			require.Equal(t, i == 0, f.Header.Rsv == rsv1)
			require.True(t, limit == 0 || len(f.Payload) <= limit)
			b = append(b, f.Payload...)
		}
		inflater := deflate.NewInflater(deflate.Sender{Bits: 12, NoTakeover: true})
		got, _, err := inflater.Inflate(nil, b, 1<<20, true)
		require.NoError(t, err)
		require.Equal(t, data, got)
	}
}

func TestFramesAreCutOnceEnoughIsCompressed(t *testing.T) {
	f := newFramer(false, 10)
	p := piece{op: ws.OpBinary, rest: make([]byte, 9), toCompress: true}
	require.Zero(t, f.size(&p), "more must be compressed")
	p.rest = make([]byte, 10)
	require.Equal(t, 2+10, f.size(&p))
	p.rest = make([]byte, 11)
	require.Equal(t, 2+10, f.size(&p))
	p = piece{op: ws.OpBinary, rest: make([]byte, 9)}
	require.Equal(t, 2+9, f.size(&p))
}

func TestFramesThatOneStepEncodesNeedNoTurn(t *testing.T) {
	f := newFramer(false, 0)
	for name, test := range map[string]struct {
		p    piece
		want bool
	}{
		"one piece":           {piece{rest: make([]byte, maxPiece)}, true},
		"more than a piece":   {piece{rest: make([]byte, maxPiece+1)}, false},
		"one frame, encoded":  {piece{ready: make([][]byte, 1)}, true},
		"two frames, encoded": {piece{ready: make([][]byte, 2)}, false},
		"to be compressed":    {piece{rest: make([]byte, 1), toCompress: true}, false},
	} {
		require.Equal(t, test.want, f.single(&test.p), name)
	}
}
