package wire

import (
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
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
