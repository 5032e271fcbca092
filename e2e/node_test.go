//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestNodesFragmentsAreOneMessageAndPingsBetweenThemAreAnswered(t *testing.T) {
	s := serve(t, nil)
	p := node(t, `
		const ws = new WebSocket('`+s.ws()+`', { perMessageDeflate: false });
		await once(ws, 'open');
		ws.send('one, ', { fin: false });
		ws.ping('between');
		say(String((await once(ws, 'pong'))[0]));
		ws.send('水, ', { fin: false });
		ws.send('', { fin: false });
		ws.send('three', { fin: true });
		ws.send(Buffer.from([1]), { fin: false });
		ws.send(Buffer.from([2]), { fin: true });
		ws.ping();
		say(String((await once(ws, 'pong'))[0]));
		ws.terminate();`)
	conn := s.accepted(t) // no Pull, and pings are answered
	require.Equal(t, "between", said[string](t, p))
	require.Empty(t, said[string](t, p))
	require.Equal(t, wsstream.Text("one, 水, three"), pull(t, conn))
	require.Equal(t, wsstream.Binary([]byte{1, 2}), pull(t, conn))
	_, err := conn.Readable().Pull(patient(t))
	require.Equal(t, 1006, wsstream.CloseCode(err), "it was terminated")
}

func TestANodeServersPingsAreAnsweredWithNobodyPulling(t *testing.T) {
	p := node(t, `
		const ws = await accepted(await listen());
		ws.send('unread');
		ws.ping('are you there');
		say(String((await once(ws, 'pong'))[0]));
		ws.send('one', { fin: false });
		ws.ping('in the middle');
		say(String((await once(ws, 'pong'))[0]));
		ws.send(' two', { fin: true });`)
	conn := wsstream.Dial(patient(t), said[string](t, p), nil)
	t.Cleanup(conn.CloseNow)
	require.Equal(t, "are you there", said[string](t, p))
	require.Equal(t, "in the middle", said[string](t, p))
	require.Equal(t, "unread", string(pull(t, conn).Data))
	require.Equal(t, "one two", string(pull(t, conn).Data))
}

func TestANodeServersRefusalIsTheHandshakesErrorWithWhatItSaid(t *testing.T) {
	p := node(t, `await listen({ verifyClient: (info, done) => done(false, 401, 'no ticket', { 'X-Why': 'no ticket' }) });`)
	conn := wsstream.Dial(patient(t), said[string](t, p), nil)
	t.Cleanup(conn.CloseNow)
	_, err := conn.Opened().Wait(patient(t))
	refused, ok := errors.AsType[*wsstream.HandshakeError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, http.StatusUnauthorized, refused.Status)
	require.Equal(t, "no ticket", refused.Header.Get("X-Why"))
	require.True(t, strings.HasPrefix(string(refused.Body), "no ticket"), "%s", refused.Body)
}
