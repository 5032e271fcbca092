package wsstream_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// raw returns a frame byte by byte: its first byte, its length, and the payload. Where the peer
// owes a mask, the length has the mask bit, and the mask is zero.
func (e *end) raw(first byte, length []byte, payload string) []byte {
	b := append([]byte{first}, length...)
	if !e.client {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, payload...)
}

func frames(frames ...wstest.Frame) func(e *end) []byte {
	return func(e *end) []byte {
		var b []byte
		for _, f := range frames {
			b = append(b, e.peer.Encode(f)...)
		}
		return b
	}
}

// fails says that the connection fails with code: the peer is told, and both streams end so.
func (e *end) fails(t *testing.T, code uint16) {
	t.Helper()
	pulling := goPull(t, e) // text is checked as it is pulled
	require.NotEmpty(t, e.peer.WantClose("the peer is told which rule it broke", code))
	e.peer.Close()
	pulled := <-pulling
	says := fmt.Sprintf("we closed with %d", code)
	require.ErrorContains(t, pulled.err, says)
	_, end := e.closed(t)
	require.Equal(t, end, pulled.err)
	require.Equal(t, end, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
}

// readMessage reads a whole message at the peer.
func readMessage(t *testing.T, e *end) []byte {
	t.Helper()
	var all bytes.Buffer
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		all.Write(f.Payload)
		if f.Fin {
			return all.Bytes()
		}
	}
}

// flood sends n messages on a goroutine of its own.
func flood(e *end, n, size int) <-chan error {
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = e.peer.Write(wstest.Binary(make([]byte, size)))
		}
		done <- err
	}()
	return done
}

func readAll(t *testing.T, r *wsstream.Readable) (wsstream.Message, error) {
	m, err := r.NextMessage(patient(t))
	if err != nil {
		return wsstream.Message{}, err
	}
	data, err := io.ReadAll(m)
	return wsstream.Message{Type: m.Type(), Data: data}, err
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:4])
}

// numbered is the message of this number: text, or binary that cannot be compressed; empty, small,
// or larger than a small window.
func numbered(i int) wsstream.Message {
	n := i * 7919 % 20
	if i%100 == 50 || i%100 == 51 {
		n = 400
	}
	m := wsstream.Text(strings.Repeat(fmt.Sprintf("%d·", i), n))
	if i%2 == 1 {
		m.Type = wsstream.TypeBinary
		r := rand.New(rand.NewPCG(uint64(i), 4))
		for j := range m.Data {
			m.Data[j] = byte(r.Uint32())
		}
	}
	return m
}

func same(i int, m wsstream.Message) error {
	if want := numbered(i); m.Type != want.Type || !bytes.Equal(m.Data, want.Data) {
		return fmt.Errorf("message %d: got %v %q, want %v %q", i, m.Type, m.Data, want.Type, want.Data)
	}
	return nil
}

// send writes text messages.
func send(t *testing.T, conn *wsstream.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(text)))
	}
}

const (
	extension   = "permessage-deflate"
	ownContexts = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	rsv1        = 4
)

// packing is a config under which all messages are compressed, by both sides, with context
// takeover.
var packing = config{
	Compression: &wsstream.CompressionOptions{Threshold: -1},
	Extensions:  extension,
}

// apart is packing without context takeover.
var apart = config{
	Compression: &wsstream.CompressionOptions{
		Threshold:             -1,
		NoContextTakeover:     true,
		PeerNoContextTakeover: true,
	},
	Extensions: ownContexts,
}

// A packer compresses as another implementation does: Go's own.
type packer struct {
	out bytes.Buffer
	w   *flate.Writer
}

// pack compresses the next message; it may refer to those before it.
func (p *packer) pack(t *testing.T, s string) []byte {
	p.out.Reset()
	_, err := io.WriteString(p.w, s)
	require.NoError(t, err)
	require.NoError(t, p.w.Flush())
	return bytes.Clone(bytes.TrimSuffix(p.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

func newPacker(t *testing.T) *packer {
	p := &packer{}
	select {
	case p.w = <-packers:
		p.w.Reset(&p.out)
	default:
		var err error
		p.w, err = flate.NewWriter(&p.out, 6)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		select {
		case packers <- p.w:
		default:
		}
	})
	return p
}

// packers are those that no test uses: one takes long to make. A sync.Pool drops a quarter of what
// it is given under the race detector.
var packers = make(chan *flate.Writer, 16)

// packed is a message by itself.
func packed(t *testing.T, s string) []byte { return newPacker(t).pack(t, s) }

// An unpacker inflates messages that may refer to those before them, by Go's own flate.
type unpacker struct {
	in bytes.Buffer
	r  io.ReadCloser
}

// unpack inflates what begins the rest of a message and must stand for n bytes.
func (u *unpacker) unpack(t *testing.T, p []byte, n int) string {
	t.Helper()
	u.in.Write(p)
	u.in.Write([]byte{0, 0, 0xff, 0xff})
	b := make([]byte, n)
	_, err := io.ReadFull(u.r, b)
	require.NoError(t, err)
	return string(b)
}

func newUnpacker() *unpacker {
	u := new(unpacker)
	u.r = flate.NewReader(&u.in)
	return u
}

// script is a stream with every form of header, and what is to be pulled from it.
func (e *end) script() (stream []byte, want []string) {
	frames := []wstest.Frame{
		wstest.Text("a"),
		wstest.Ping("1"),
		wstest.Binary(bytes.Repeat([]byte("m"), 126)),
		wstest.Text("").
			Part(),
		wstest.Ping(""), wstest.Cont([]byte("ende"), false), wstest.Pong("x"), wstest.Cont(nil, true),
		wstest.Binary(nil),
		wstest.Binary(bytes.Repeat([]byte("l"), 65536)),
	}
	for _, f := range frames {
		stream = append(stream, e.peer.Encode(f)...)
	}
	return stream, []string{"a", strings.Repeat("m", 126), "ende", "", strings.Repeat("l", 65536)}
}

// whole is how many messages of the script are whole in its first n bytes.
func whole(e *end, n int) int {
	mask := 0
	if !e.client {
		mask = 4
	}
	count := 0
	for _, end := range []int{
		3 + mask,
		3 + mask + 3 + mask + 4 + mask + 126,
		3 + mask + 3 + mask + 4 + mask + 126 + 2 + mask + 2 + mask + 6 + mask + 3 + mask + 2 + mask,
		3 + mask + 3 + mask + 4 + mask + 126 + 2 + mask + 2 + mask + 6 + mask + 3 + mask + 2 + mask +
			2 + mask,
	} {
		if n >= end {
			count++
		}
	}
	return count
}

// read reads n bytes of what was given to u so far.
func read(t *testing.T, u *unpacker, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(u.r, b)
	require.NoError(t, err)
	return string(b)
}

// jsonText is JSON text of about n bytes, of its own for each seed.
func jsonText(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 77))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","price":%.2f,"tags":["a%d","b"],"active":%v},`,
			r.Uint32(), r.IntN(1000), r.Float64()*100, r.IntN(50), r.IntN(2) == 0)
	}
	return b.String()
}

// noise is n bytes that cannot be compressed.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// nextFrames reads the frames of the next message; controls are passed.
func nextFrames(t *testing.T, p *wstest.Peer) (payload []byte, frames []wstest.Frame) {
	t.Helper()
	for {
		f, err := p.Next()
		require.NoError(t, err)
		if f.Op.IsControl() {
			continue
		}
		frames = append(frames, f)
		payload = append(payload, f.Payload...)
		if f.Fin {
			return payload, frames
		}
	}
}

// packedFrames cuts a compressed text message into frames of at most n bytes.
func packedFrames(payload []byte, n int) (frames []wstest.Frame) {
	f := wstest.Frame{Op: wstest.OpText, Rsv: rsv1}
	for !f.Fin {
		n := min(n, len(payload))
		f.Payload, payload = payload[:n], payload[n:]
		f.Fin = len(payload) == 0
		frames = append(frames, f)
		f = wstest.Frame{Op: wstest.OpContinuation, Fin: f.Fin}
	}
	return frames
}

// rawServer returns an accepted Conn and the client's socket, its handshake done. It is for tests
// and benchmarks that count what the library does. The goroutine that serves the socket in raw
// bytes allocates nothing.
func rawServer(tb testing.TB) (*wsstream.Conn, net.Conn) { return rawServerWith(tb, nil) }

func rawServerWith(tb testing.TB, o *wsstream.AcceptOptions) (*wsstream.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	require.NoError(tb, err)
	near, err := l.Accept()
	require.NoError(tb, err)
	upgraded := make(chan error, 1)
	go func() { // ends with the handshake, or with near
		_, _, err := (ws.Dialer{}).Upgrade(far,
			&url.URL{Scheme: "ws", Host: l.Addr().String(), Path: "/"})
		upgraded <- err
	}()
	conn, err := wsstream.AcceptConn(context.Background(), near, o)
	require.NoError(tb, err)
	require.NoError(tb, <-upgraded)
	tb.Cleanup(func() {
		_ = far.Close()
		conn.CloseNow()
		<-conn.Closed().Done()
	})
	return conn, far
}

// maskedFrame returns a binary message of n bytes as a client sends it.
func maskedFrame(n int) []byte {
	f := ws.NewBinaryFrame(bytes.Repeat([]byte{'x'}, n))
	return ws.MustCompileFrame(ws.MaskFrameWith(f, [4]byte{0x5a, 0x17, 0xc3, 0x8e}))
}

// frameLen is the length of a server's frame with n bytes of payload.
func frameLen(n int) int { return ws.HeaderSize(ws.Header{Length: int64(n)}) + n }

// serveRaw runs f on a goroutine that ends with the socket nc.
func serveRaw(tb testing.TB, nc net.Conn, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	tb.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
}

// rawFlood writes frames until nc is closed, many with one call.
func rawFlood(tb testing.TB, nc net.Conn, frame []byte) {
	many := bytes.Repeat(frame, max(1, (64<<10)/len(frame)))
	serveRaw(tb, nc, func() {
		for {
			if _, err := nc.Write(many); err != nil {
				return
			}
		}
	})
}

// rawEcho answers every n bytes with frame until nc is closed.
func rawEcho(tb testing.TB, nc net.Conn, n int, frame []byte) {
	buf := make([]byte, n)
	serveRaw(tb, nc, func() {
		for {
			if _, err := io.ReadFull(nc, buf); err != nil {
				return
			}
			if _, err := nc.Write(frame); err != nil {
				return
			}
		}
	})
}

// rawSwallow reads until nc is closed.
func rawSwallow(tb testing.TB, nc net.Conn) {
	buf := make([]byte, 256<<10)
	serveRaw(tb, nc, func() {
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
		}
	})
}

// writePieces writes a message in pieces of size bytes.
func writePieces(ctx context.Context, w *wsstream.Writable, m wsstream.Message, size int) error {
	mw, err := w.NewMessage(ctx, m.Type)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(m.Data, size) {
		if _, err := mw.Write(piece); err != nil {
			return err
		}
	}
	return mw.Close()
}

// notUTF8 are texts, and how many bytes of each it takes until it cannot be UTF-8 whatever follows.
var notUTF8 = []struct {
	text string
	at   int
}{
	{text: "\x80", at: 1},                         // continues nothing
	{text: "ab\xbfcd", at: 3},                     // continues nothing
	{text: "\xc0\x80", at: 1},                     // overlong
	{text: "\xc1\xbf", at: 1},                     // overlong
	{text: "\xe0\x9f\xbf", at: 2},                 // overlong
	{text: "\xf0\x8f\xbf\xbf", at: 2},             // overlong
	{text: "\xed\xa0\x80", at: 2},                 // a surrogate
	{text: "\xed\xbf\xbf", at: 2},                 // a surrogate
	{text: "\xf4\x90\x80\x80", at: 2},             // above U+10FFFF
	{text: "\xf5\x80\x80\x80", at: 1},             // above U+10FFFF
	{text: "\xfe", at: 1},                         // never stands in UTF-8
	{text: "\xff", at: 1},                         // never stands in UTF-8
	{text: "\xce\xce", at: 2},                     // two begin
	{text: "\xe2\x82X", at: 3},                    // cut short
	{text: "\xf0\x9f\x98\xf0", at: 4},             // cut short
	{text: "κόσμε\xed\xa0\x80edited", at: 10 + 2}, // Autobahn 6.4
}

const maxRow = 16 << 10 // frames in a row, within a second, that bring nothing
