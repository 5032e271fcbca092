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
	rest *[]byte // records of a message that was pulled
}

func newRaw(t *testing.T, conn *wsstream.Conn) raw { return raw{t, conn, new([]byte)} }

// raw connects a raw client.
func (w *world) raw(protocols ...string) raw {
	if protocols == nil {
		protocols = []string{resume.Protocol}
	}
	conn := wsstream.Dial(w.t.Context(), "ws://server.test/", &wsstream.DialOptions{
		NetDial: w.netDial, Subprotocols: protocols, SubprotocolOptional: true,
	})
	w.t.Cleanup(conn.CloseNow)
	return newRaw(w.t, conn)
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

// record is a record as on the wire.
func record(kind byte, body ...byte) []byte {
	return join(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body)
}

func text(s string) []byte { return record(1, []byte(s)...) }

func end(code uint16, reason string) []byte {
	return record(3, join(binary.BigEndian.AppendUint16(nil, code), []byte(reason))...)
}

func ack(received, taken uint64) []byte { return record(4, u64(received, taken)...) }

// hello is a HELLO with a window of 1000 bytes and no limit of messages.
func hello(received, taken uint64, again byte, id []byte) []byte {
	return record(5, join(u64(received, taken, 1000, 0), []byte{again}, id)...)
}

// welcome is a WELCOME of a new session.
func welcome(window, limit uint64) []byte { return record(6, u64(0, 0, window, limit)...) }

// send sends a message of records.
func (r raw) send(records ...[]byte) {
	r.t.Helper()
	m := wsstream.Binary(join(records...))
	require.NoError(r.t, r.conn.Writable().Write(r.t.Context(), m))
}

// next returns the next record.
func (r raw) next() ([]byte, error) {
	if len(*r.rest) == 0 {
		m, err := r.conn.Readable().Pull(r.t.Context())
		if err != nil {
			return nil, err
		}
		require.Equal(r.t, wsstream.TypeBinary, m.Type)
		*r.rest = m.Data
	}
	b := *r.rest
	n := 5 + int(binary.BigEndian.Uint32(b[1:]))
	*r.rest = b[n:]
	return b[:n], nil
}

// want checks that these records come next.
func (r raw) want(records ...[]byte) {
	r.t.Helper()
	for _, want := range records {
		got, err := r.next()
		require.NoError(r.t, err)
		require.Equal(r.t, want, got)
	}
}

// wantClose checks that the server closes with the code. A WELCOME may be on its way before that.
func (r raw) wantClose(code int) {
	r.t.Helper()
	b, err := r.next()
	if err == nil && b[0] == 6 {
		_, err = r.next()
	}
	require.Equal(r.t, code, wsstream.CloseCode(err), "%v", err)
}

// open greets as a new session, whose side of the server it returns.
func (w *world) open() (raw, *resume.Session) {
	r := w.raw()
	r.send(hello(0, 0, 0, rawID))
	r.want(welcome(1<<20, 1<<20))
	s := <-w.sessions
	_, err := s.Opened().Wait(w.t.Context())
	require.NoError(w.t, err)
	return r, s
}

// again connects and greets as the session that open made. It returns the WELCOME's positions.
func (w *world) again(received, taken uint64) (r raw, theirReceived, theirTaken uint64) {
	w.t.Helper()
	r = w.raw()
	r.send(hello(received, taken, 1, rawID))
	b, err := r.next()
	require.NoError(w.t, err)
	require.Len(w.t, b, 37)
	return r, binary.BigEndian.Uint64(b[5:]), binary.BigEndian.Uint64(b[13:])
}
