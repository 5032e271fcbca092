package wsstream_test

import (
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest"
)

func TestAPongOvertakesQueuedFramesAndANewerPingsReplacesIt(t *testing.T) {
	const frame = 1 << 10
	inBubble(t, config{WriteWindow: 256, MaxFrameSize: frame, Limit: 4 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		for _, s := range []string{"old", "newer", "newest"} {
			e.peer.Send(wstest.Ping(s))
			e.notice()
		}
		data, pongs, before := 0, []string(nil), 0
		for fin := false; !fin; {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == ws.OpPong {
				pongs, before = append(pongs, string(f.Payload)), data
				continue
			}
			require.True(t, f.Op.IsData(), "%v", f)
			data, fin = data+len(f.Payload), f.Fin
		}
		require.Equal(t, size, data)
		require.Equal(t, []string{"newest"}, pongs, "one answer, to the newest ping")
		require.Less(t, before, size/2, "it did not wait behind the message")
	})
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
