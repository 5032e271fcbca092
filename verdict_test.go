package wsstream_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// What is said about an end, to whom.

func TestAMessageFoundBadBehindTheEndFailsThePullWithThePeersCode(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("\xff"), wstest.Close(3001, "bye"))
		e.peer.Want("the answer", wstest.Close(3001, ""))
		<-time.After(time.Second / 2) // the streams have ended; a client still waits for the server to drop the transport
		var bad *wsstream.Error
		_, err := e.conn.Readable().Pull(t.Context())
		require.ErrorAs(t, err, &bad)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "bye"}, bad.CloseInfo)
		require.ErrorContains(t, err, "UTF-8")
		_, err = e.conn.Readable().Pull(t.Context())
		require.Same(t, bad, err)
		info, err := e.closed(t)
		require.NoError(t, err, "the handshake itself was clean")
		require.Equal(t, bad.CloseInfo, info)
	})
}

func TestAPeerThatBreaksARuleAndHalfClosesIsToldWhy(t *testing.T) {
	inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 4000))))
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		e.peer.CloseWrite()
		e.notice() // while our Close is still behind what has begun to leave
		e.wantFailure(t, 1002)
		_, err := e.closed(t)
		unclean(1006, "1002")(t, e, err)
	})
}

func TestALengthBeyondAnInt64IsNamedAsItIs(t *testing.T) {
	onEveryPath(t, config{MaxMessageSize: 1000}, func(t *testing.T, e *end) {
		pull := goPull(t, e)
		e.peer.Send(wstest.Text("a").Part())
		e.peer.SendRaw(e.peer.EncodeHeader(wstest.Cont(nil, true), math.MaxInt64))
		require.Contains(t, e.peer.WantClose("too large", 1009), "a message of 9223372036854775808 bytes or more")
		e.peer.Close()
		theEnd(t, e, (<-pull).err)
	})
}

func TestACutBehindThePeersCloseIsUncleanIfAcceptedDataIsUnsent(t *testing.T) {
	inBubble(t, config{Limit: 300}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1000))))
		e.peer.Send(wstest.Close(3001, ""))
		e.notice()
		e.conn.CloseNow()
		wantUnsent(t, e, 3001)
	})
}
