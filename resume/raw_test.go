package resume_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
)

// A raw is a client that a test scripts message by message, with the bytes of PROTOCOL.md.
type raw struct {
	t    *testing.T
	conn *wsstream.Conn
}

// raw connects a raw client.
func (w *world) raw(protocols ...string) raw {
	if protocols == nil {
		protocols = []string{resume.Protocol}
	}
	conn := wsstream.Dial(w.t.Context(), "ws://server.test/", &wsstream.DialOptions{
		NetDial: w.netDial, Subprotocols: protocols, SubprotocolOptional: true,
	})
	w.t.Cleanup(conn.CloseNow)
	return raw{w.t, conn}
}

func u64(numbers ...uint64) (b []byte) {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// rawID is the id of a raw client's session.
var rawID = []byte("0123456789abcdef0123456789ABCDEF")

// hello is a HELLO with a window of 1000 bytes and no limit of messages.
func hello(received, taken uint64, again byte, id []byte) []byte {
	return join(u64(received, taken, 1000, 0), []byte{again}, id, []byte{1})
}

func (r raw) send(data ...byte) {
	r.t.Helper()
	require.NoError(r.t, r.conn.Writable().Write(r.t.Context(), wsstream.Binary(data)))
}

func (r raw) text(text string) {
	r.t.Helper()
	require.NoError(r.t, r.conn.Writable().Write(r.t.Context(), wsstream.Text(text)))
}

func (r raw) want(data ...byte) {
	r.t.Helper()
	m, err := r.conn.Readable().Pull(r.t.Context())
	require.NoError(r.t, err)
	require.Equal(r.t, wsstream.TypeBinary, m.Type)
	require.Equal(r.t, data, m.Data)
}

func (r raw) wantText(text string) {
	r.t.Helper()
	m, err := r.conn.Readable().Pull(r.t.Context())
	require.NoError(r.t, err)
	require.Equal(r.t, wsstream.TypeText, m.Type)
	require.Equal(r.t, text, string(m.Data))
}

// wantClose checks that the server closes with the code. A WELCOME may be on its way before that.
func (r raw) wantClose(code int) {
	r.t.Helper()
	m, err := r.conn.Readable().Pull(r.t.Context())
	if err == nil && len(m.Data) == 33 {
		_, err = r.conn.Readable().Pull(r.t.Context())
	}
	require.Equal(r.t, code, wsstream.CloseCode(err), "%v", err)
}

// open greets as a new session, whose side of the server it returns.
func (w *world) open() (raw, *resume.Session) {
	r := w.raw()
	r.send(hello(0, 0, 0, rawID)...)
	r.want(join(u64(0, 0, 1<<20, 1<<20), []byte{2})...)
	s := <-w.sessions
	_, err := s.Opened().Wait(w.t.Context())
	require.NoError(w.t, err)
	return r, s
}

// again connects and greets as the session that open made. It returns the WELCOME's numbers.
func (w *world) again(received, taken uint64) (r raw, hisReceived, hisTaken uint64) {
	w.t.Helper()
	r = w.raw()
	r.send(hello(received, taken, 1, rawID)...)
	m, err := r.conn.Readable().Pull(w.t.Context())
	require.NoError(w.t, err)
	require.Len(w.t, m.Data, 33)
	return r, binary.BigEndian.Uint64(m.Data), binary.BigEndian.Uint64(m.Data[8:])
}
