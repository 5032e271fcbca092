package wsstream_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// Autobahn 2.10 and 2.11.
func TestTenPingsAreAnsweredByTenPongsInOrderHoweverTheyCome(t *testing.T) {
	var pings, pongs []wstest.Frame
	for i := range 10 {
		pings = append(pings, wstest.Ping(fmt.Sprint("payload-", i)))
		pongs = append(pongs, wstest.Pong(fmt.Sprint("payload-", i)))
	}
	for _, pulling := range []bool{false, true} {
		for _, chop := range []int{1, 7, 1 << 10} {
			t.Run(fmt.Sprint("pulling ", pulling, ", chopped in ", chop), func(t *testing.T) {
				onEveryPath(t, config{}, func(t *testing.T, e *end) {
					if pulling {
						goPull(t, e)
					}
					var wire []byte
					for _, f := range pings {
						wire = append(wire, e.peer.Encode(f)...)
					}
					for part := range slices.Chunk(wire, chop) {
						e.peer.SendRaw(part)
					}
					e.peer.Want("an answer to each, in order", pongs...)
					require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
					e.peer.WantClose("and nothing more", 1000)
				})
			})
		}
	}
}

func TestPongsOvertakeQueuedFramesAndWhereThePeerReadsNoneTheNewestReplacesAll(t *testing.T) {
	const frame = 1 << 10
	const reserve = 4 << 10 // bytes of pongs that are kept
	for _, n := range []int{3, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, config{WriteWindow: 256, MaxFrameSize: frame, Limit: 4 << 10}, func(t *testing.T, e *end) {
				size := e.stuff(t, true)
				sent, kept := []string(nil), 0
				for i := range n {
					sent = append(sent, fmt.Sprintf("%0100d", i))
					e.peer.Send(wstest.Ping(sent[i]))
				}
				e.notice()
				data, pongs, before := 0, []string(nil), 0
				for fin := false; !fin; {
					f, err := e.peer.Next()
					require.NoError(t, err)
					if f.Op == ws.OpPong {
						pongs, before, kept = append(pongs, string(f.Payload)), data, kept+len(f.Payload)
						continue
					}
					require.True(t, f.Op.IsData(), "%v", f)
					data, fin = data+len(f.Payload), f.Fin
				}
				require.Equal(t, size, data)
				require.Less(t, before, size/2, "they did not wait behind the message")
				require.LessOrEqual(t, kept, 2*reserve)
				require.NotEmpty(t, pongs)
				require.Equal(t, sent[n-len(pongs):], pongs, "the newest, in order")
			})
		})
	}
}

func TestAPongNeverStandsInsideAFrame(t *testing.T) {
	onEveryPath(t, config{WriteWindow: 256, MaxFrameSize: -1, Limit: 16 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true) // one frame, which leaves in many pieces
		e.peer.Send(wstest.Ping("meanwhile"))
		e.notice()
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.True(t, f.Fin)
		require.Equal(t, ws.OpBinary, f.Op)
		require.Equal(t, make([]byte, size), f.Payload)
		e.peer.Want("the pong behind it", wstest.Pong("meanwhile"))
	})
}
