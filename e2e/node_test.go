//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// nodes are the clients that Node has: the package ws, and undici's, which is Node's own.
var nodes = map[string]string{
	"ws": `const open = (url, protocols) => classic(url, protocols,
		class extends WebSocket { constructor(u, p) { super(u, p, { perMessageDeflate: false }); } });`,
	"undici": `const open = (url, protocols) => classic(url, protocols, undici.WebSocket);`,
}

// exchange sends messages of every size through ws, and says what was sent and what came back.
const exchange = `
	const sent = [], got = [];
	for (const n of [1, 125, 126, 65535, 65536, 1 << 20, 4 << 20]) {
		for (const m of [binary(n), text(n)]) {
			sent.push(await note(m));
			ws.send(m);
			got.push(await note(await ws.next()));
		}
	}
	say({ sent, got });`

func TestNodesClientsGetBackWhatTheySent(t *testing.T) {
	for name, client := range nodes {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &wsstream.AcceptOptions{MaxMessageSize: 4 << 20, Subprotocols: []string{"echo"}})
			p := node(t, client+`
				const ws = open('`+s.ws()+`', ['other', 'echo']);
				await ws.opened;
				say(ws.protocol);`+exchange+`
				ws.close(4000, 'enough');
				say(await ws.end);`)
			conn := s.accepted(t)
			require.Equal(t, 4000,
				wsstream.CloseCode(stream.Pipe(patient(t), conn.Writable(), conn.Readable(), nil)))
			require.Equal(t, "echo", said[string](t, p))
			notes := said[struct{ Sent, Got []note }](t, p)
			require.Len(t, notes.Sent, 2*len(sizes))
			require.Equal(t, notes.Sent, notes.Got)
			end := said[ended](t, p)
			require.True(t, end.Clean)
			require.Equal(t, 4000, end.Code)
			info, err := conn.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, wsstream.CloseInfo{Code: 4000, Reason: "enough"}, info)
		})
	}
}

func TestNodesClientsSeeOurCloseAndAnswerIt(t *testing.T) {
	for name, client := range nodes {
		for _, c := range []struct{ send, want wsstream.CloseInfo }{
			{wsstream.CloseInfo{Code: 1000, Reason: "done"}, wsstream.CloseInfo{Code: 1000, Reason: "done"}},
			{wsstream.CloseInfo{Code: 1001}, wsstream.CloseInfo{Code: 1001}},
			{wsstream.CloseInfo{Code: 1013, Reason: "later"},
				wsstream.CloseInfo{Code: 1013, Reason: "later"}},
			{wsstream.CloseInfo{Code: 4999, Reason: "水 😀"}, wsstream.CloseInfo{Code: 4999, Reason: "水 😀"}},
			{wsstream.CloseInfo{}, wsstream.CloseInfo{Code: 1005}},
		} {
			t.Run(name+"/"+c.send.String(), func(t *testing.T) {
				s := serve(t, nil)
				p := node(t, client+`say(await open('`+s.ws()+`').end);`)
				conn := s.accepted(t)
				require.NoError(t, conn.Shutdown(patient(t), c.send))
				require.Equal(t, ended{Code: c.want.Code, Reason: c.want.Reason, Clean: true},
					said[ended](t, p))
				info, err := conn.Closed().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, c.want.Code, info.Code)
			})
		}
		t.Run(name+"/cut", func(t *testing.T) {
			s := serve(t, nil)
			p := node(t, client+`const ws = open('`+s.ws()+`'); say(await ws.end);`)
			s.accepted(t).CloseNow()
			got := said[ended](t, p)
			require.Equal(t, 1006, got.Code)
			require.False(t, got.Clean)
		})
	}
}

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

func TestANodeServerSendsBackWhatWeSend(t *testing.T) {
	p := node(t, `
		const server = await listen({ handleProtocols: () => 'echo' });
		const ws = await accepted(server);
		ws.on('message', (data, binary) => ws.send(data, { binary }));`)
	conn := wsstream.Dial(patient(t), said[string](t, p), &wsstream.DialOptions{
		Subprotocols:   []string{"echo"},
		MaxMessageSize: 4 << 20,
		MaxFrameSize:   10_000, // so that ws puts fragments together
	})
	t.Cleanup(conn.CloseNow)
	for _, m := range samples() {
		write(t, conn, m)
		require.Equal(t, noteOf(m), noteOf(pull(t, conn)))
	}
	opened, err := conn.Opened().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, "echo", opened.Protocol)
	require.NoError(t, conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1000}))
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

func TestANodeServersCloseIsOurEndAndOursIsItsEnd(t *testing.T) {
	for _, c := range []struct {
		arg  string
		want wsstream.CloseInfo
	}{
		{`1000, 'bye'`, wsstream.CloseInfo{Code: 1000, Reason: "bye"}},
		{`1012`, wsstream.CloseInfo{Code: 1012}},
		{`4000, '水 😀'`, wsstream.CloseInfo{Code: 4000, Reason: "水 😀"}},
		{``, wsstream.CloseInfo{Code: 1005}},
	} {
		const open = `
			const ws = await accepted(await listen());
			const end = once(ws, 'close').then(([code, reason]) => ({ code, reason: String(reason), clean: true }));`
		t.Run("theirs/"+c.arg, func(t *testing.T) {
			p := node(t, open+`ws.send('last'); ws.close(`+c.arg+`); say(await end);`)
			conn := wsstream.Dial(patient(t), said[string](t, p), nil)
			t.Cleanup(conn.CloseNow)
			require.Equal(t, "last", string(pull(t, conn).Data))
			wantEnd(t, conn, c.want.Code)
			info, err := conn.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, c.want, info)
			require.Equal(t, c.want.Code, said[ended](t, p).Code)
		})
		t.Run("ours/"+c.arg, func(t *testing.T) {
			p := node(t, open+`say(await end);`)
			conn := wsstream.Dial(patient(t), said[string](t, p), nil)
			t.Cleanup(conn.CloseNow)
			send := c.want
			if send.Code == 1005 {
				send = wsstream.CloseInfo{}
			}
			_, err := conn.Opened().Wait(patient(t)) // before it, Close would abandon the handshake
			require.NoError(t, err)
			require.NoError(t, conn.Shutdown(patient(t), send))
			require.Equal(t, ended{Code: c.want.Code, Reason: c.want.Reason, Clean: true}, said[ended](t, p))
		})
	}
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

func TestANodeServerThatIsPausedStopsOurWritesUntilItGoesOn(t *testing.T) {
	p := node(t, `
		const ws = await accepted(await listen());
		ws.pause();
		await heard();
		let n = 0;
		ws.on('message', (m) => {
			if (m.readUInt32BE(0) !== n++) ws.close(4000, 'not in order: ' + n);
		});
		ws.on('close', () => say(n));
		ws.resume();`)
	conn := wsstream.Dial(patient(t), said[string](t, p), nil)
	t.Cleanup(conn.CloseNow)
	n := flood(t, conn)
	p.proceed(t)
	require.NoError(t, conn.Writable().Ready(patient(t)))
	for i := range 100 {
		write(t, conn, numbered(n+i))
	}
	require.NoError(t, conn.Writable().Close(patient(t)))
	require.Equal(t, n+100, said[int](t, p))
}

func TestANodeClientThatFloodsWaitsForOurPulls(t *testing.T) {
	s := serve(t, nil)
	p := node(t, `
		const ws = new WebSocket('`+s.ws()+`', { perMessageDeflate: false });
		await once(ws, 'open');
		for (let i = 0; i < 1000; i++) {
			const m = Buffer.alloc(32 << 10);
			m.writeUInt32BE(i);
			ws.send(m);
		}
		let before;
		do { before = ws.bufferedAmount; await within(1000, new Promise(() => {})); } while (ws.bufferedAmount !== before);
		say(before);
		ws.close(1000);
		await once(ws, 'close');
		say(ws.bufferedAmount);`)
	conn := s.accepted(t)
	require.Positive(t, said[int](t, p), "what we do not take stays with the client")
	require.LessOrEqual(t, conn.Stats().Received.HeldMax, int64(window))
	drain(t, conn, 1000)
	_, err := conn.Readable().Pull(patient(t))
	require.Equal(t, io.EOF, err)
	require.Zero(t, said[int](t, p))
}
