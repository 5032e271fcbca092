package wsstream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestMessagesGoBothWaysAndTheCloseIsAnswered(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("hello"), wstest.Ping("p"), wstest.Binary([]byte{1, 2}))
		require.Equal(t, "hello", e.pull(t))
		e.peer.Want("the ping is answered", wstest.Pong("p"))
		require.Equal(t, "\x01\x02", e.pull(t))
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("κόσμε")))
		e.peer.Want("the message", wstest.Text("κόσμε"))

		e.peer.Send(wstest.Text("last"), wstest.Close(3001, "bye"))
		e.peer.Want("the Close is answered with its code", wstest.Close(3001, ""))
		if e.client {
			e.peer.Close()
		} else {
			e.peer.WantEOF("the server drops the transport first")
		}
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "bye"}, info)
		require.Equal(t, "last", e.pull(t))
		_, err = e.conn.Readable().Pull(t.Context())
		told(3001, "bye")(t, e, err)
		require.Equal(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
	})
}

func TestPairAndServerConnect(t *testing.T) {
	d := wstest.Pair(t, nil)
	require.NoError(t, d.Client.Writable().Write(t.Context(), wsstream.Text("a")))
	m, err := d.Server.Readable().Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, wsstream.Text("a"), m)
}
