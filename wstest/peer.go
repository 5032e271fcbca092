package wstest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// A Peer is the other side of the connection under test. The test controls it frame by frame.
//
// It has no goroutine: [Peer.Next] and the methods Want… read the frames. A method that fails ends
// the test, so call it on the goroutine of the test. [Peer.Encode], [Peer.Write], [Peer.Cut] and
// [Peer.Close] may be called on any goroutine.
//
// A call fails when nothing has come for 30 seconds. Under testing/synctest, where waiting costs
// nothing, that is an hour of the bubble's clock. [Peer.Write] waits without a limit: it is for
// floods that are meant to block. The Peer sets the deadlines of its net.Conn.
type Peer struct {
	// AllowRsv has the reserved bits that may be set in the frames that are received, as in
	// [Frame.Rsv]. They are those that an extension of the connection gives a meaning to.
	AllowRsv byte

	t      testing.TB
	nc     net.Conn
	client bool
	limit  *io.LimitedReader // between nc and r; limits handshakes only
	r      *bufio.Reader     // reads all, so that no byte behind a handshake is lost

	maskMu sync.Mutex
	masks  *rand.Rand // guarded by maskMu

	inMessage bool // a fragmented message has begun and not ended
	gotClose  bool
}

// NewPeer returns a peer on nc that plays the client's part or the server's: role is [AsClient] or
// [AsServer]. The peer sends and expects frames. Where nc has not had its handshake, call
// [Peer.DialHandshake] or [Peer.ServeHandshake] first. The end of the test closes nc.
func NewPeer(t testing.TB, nc net.Conn, role Role) *Peer {
	if role != AsClient && role != AsServer {
		t.Fatalf("wstest: the role of a Peer is AsClient or AsServer, not %d", role)
	}
	t.Cleanup(func() { nc.Close() })
	limit := &io.LimitedReader{R: nc, N: math.MaxInt64}
	return &Peer{
		t:      t,
		nc:     nc,
		client: role == AsClient,
		limit:  limit,
		r:      bufio.NewReader(limit),
		masks:  rand.New(rand.NewPCG(1, 2)), // the same masks in each run
	}
}

// Encode returns the bytes of a frame as this peer sends it. A client masks it, with a new mask
// each time. It is for tests that cut, join or corrupt the bytes, and send them by [Peer.SendRaw].
func (p *Peer) Encode(f Frame) []byte {
	h := p.header(f, int64(len(f.Payload)))
	if h.Masked {
		p.maskMu.Lock()
		m := p.masks.Uint32()
		p.maskMu.Unlock()
		h.Mask = [4]byte{byte(m), byte(m >> 8), byte(m >> 16), byte(m >> 24)}
	}
	b := append(encodeHeader(h), f.Payload...)
	if h.Masked {
		ws.Cipher(b[len(b)-len(f.Payload):], h.Mask, 0)
	}
	return b
}

// EncodeHeader returns the bytes of a header like that of f, for a payload of length bytes. It
// ignores the payload of f. The mask of a client is zero, so a payload can follow as it is, by
// [Peer.SendRaw].
func (p *Peer) EncodeHeader(f Frame, length int64) []byte {
	return encodeHeader(p.header(f, length))
}

// header returns the header of f, for a payload of length bytes, without a mask.
func (p *Peer) header(f Frame, length int64) ws.Header {
	return ws.Header{
		Fin:    f.Fin,
		Rsv:    f.Rsv,
		OpCode: ws.OpCode(f.Op),
		Length: length,
		Masked: p.client != f.WrongMask,
	}
}

func encodeHeader(h ws.Header) []byte {
	var b bytes.Buffer
	if err := ws.WriteHeaderBuffer(&b, h, make([]byte, ws.MaxHeaderSize)); err != nil {
		panic(err) // a length below zero
	}
	return b.Bytes()
}

// Send sends the frames in one write, and fails the test if they cannot be sent. It waits while the
// transport is full. A test that floods calls [Peer.Write] on a goroutine.
func (p *Peer) Send(frames ...Frame) {
	p.t.Helper()
	p.SendRaw(p.encodeAll(frames))
}

// SendRaw sends any bytes, as [Peer.Send] sends frames.
func (p *Peer) SendRaw(b []byte) {
	p.t.Helper()
	p.nc.SetWriteDeadline(time.Now().Add(p.patience()))
	n, err := p.nc.Write(b)
	if err != nil {
		p.t.Fatalf("wstest: %d of %d bytes were sent: %v", n, len(b), err)
	}
	p.nc.SetWriteDeadline(time.Time{})
}

// Write sends the frames in one write, and returns the transport's error. It waits as long as the
// transport does. It may be called on any goroutine.
func (p *Peer) Write(frames ...Frame) error {
	_, err := p.nc.Write(p.encodeAll(frames))
	return err
}

func (p *Peer) encodeAll(frames []Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, p.Encode(f)...)
	}
	return b
}

// Next reads the next frame. It returns a bare io.EOF if the transport ends in order between two
// frames, and io.ErrUnexpectedEOF if it ends inside a frame. If the transport fails, it returns
// that error.
//
// If the frame breaks RFC 6455, the error names the rule. Next checks masking, reserved bits and
// opcodes, and the minimal encoding of the length. It also checks control frames, the order of
// continuations, and that no frame follows a Close. Next does not check text for UTF-8.
func (p *Peer) Next() (Frame, error) {
	p.nc.SetReadDeadline(time.Now().Add(p.patience()))
	defer p.nc.SetReadDeadline(time.Time{})

	head := counter{r: p.r}
	h, err := ws.ReadHeaderBuffer(&head, make([]byte, ws.MaxHeaderSize))
	if err == io.EOF && head.n > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Frame{}, err
	}
	if err := p.check(h, head.n); err != nil {
		return Frame{}, err
	}
	var payload bytes.Buffer // grows as the bytes come, whatever the header declares
	if _, err := io.CopyN(&payload, p.r, h.Length); err == io.EOF {
		return Frame{}, io.ErrUnexpectedEOF
	} else if err != nil {
		return Frame{}, err
	}
	f := Frame{Fin: h.Fin, Rsv: h.Rsv, Op: Op(h.OpCode), Payload: payload.Bytes()}
	if h.Masked {
		ws.Cipher(f.Payload, h.Mask, 0)
	}
	if f.Op == OpClose {
		p.gotClose = true
	}
	if f.Op.IsData() { // continuations too
		p.inMessage = !f.Fin
	}
	return f, nil
}

// check checks a header of size bytes by RFC 6455, section 5.
func (p *Peer) check(h ws.Header, size int) error {
	broken := func(format string, a ...any) error {
		return fmt.Errorf("wstest: the frame %#x "+format, append([]any{byte(h.OpCode)}, a...)...)
	}
	switch {
	case p.gotClose:
		return broken("comes after a Close (section 5.5.1)")
	case h.Masked && p.client:
		return broken("of a server is masked (section 5.1)")
	case !h.Masked && !p.client:
		return broken("of a client is not masked (section 5.1)")
	case size != ws.HeaderSize(h):
		return broken("encodes the length %d in more bytes than it needs (section 5.2)", h.Length)
	case h.Rsv&^p.AllowRsv != 0:
		return broken("has the reserved bits %03b (section 5.2)", h.Rsv)
	case h.OpCode.IsReserved():
		return broken("has a reserved opcode (section 5.2)")
	case h.OpCode.IsControl() && !h.Fin:
		return broken("is a fragment of a control frame (section 5.5)")
	case h.OpCode.IsControl() && h.Length > ws.MaxControlFramePayloadSize:
		return broken("is a control frame of %d bytes (section 5.5)", h.Length)
	case h.OpCode == ws.OpClose && h.Length == 1:
		return broken("has half a code (section 5.5.1)")
	case h.OpCode == ws.OpContinuation && !p.inMessage:
		return broken("continues nothing (section 5.4)")
	case h.OpCode.IsData() && h.OpCode != ws.OpContinuation && p.inMessage:
		return broken("begins a message within another (section 5.4)")
	}
	return nil
}

// Want reads as many frames as it is given, and fails the test unless they are these, in this
// order. It reads no further. The failure prints what, and both frames.
func (p *Peer) Want(what string, frames ...Frame) {
	p.t.Helper()
	for i, want := range frames {
		got, err := p.Next()
		which := what
		if len(frames) > 1 {
			which = fmt.Sprintf("%s (frame %d of %d)", what, i+1, len(frames))
		}
		switch {
		case err != nil:
			p.t.Fatalf("%s\n got: %v\nwant: %v", which, err, want)
		case !got.equal(want):
			p.t.Fatalf("%s\n got: %v\nwant: %v%s", which, got, want, differs(got, want))
		}
	}
}

// WantClose reads a frame, and fails the test unless it is a Close with that code. The code 1005
// means a Close without a code. WantClose returns the reason.
func (p *Peer) WantClose(what string, code uint16) (reason string) {
	p.t.Helper()
	f, err := p.Next()
	switch {
	case err != nil:
		p.t.Fatalf("%s\n got: %v\nwant: close %d", what, err, code)
	case f.Op != OpClose || f.code() != code:
		p.t.Fatalf("%s\n got: %v\nwant: close %d", what, f, code)
	case len(f.Payload) > 2:
		reason = string(f.Payload[2:])
	}
	return reason
}

// WantEOF waits for the end of the transport, and fails the test unless that comes next, and in
// order. Over TLS that is a close_notify. A bare end of the socket is io.ErrUnexpectedEOF there.
func (p *Peer) WantEOF(what string) {
	p.t.Helper()
	if f, err := p.Next(); err == nil {
		p.t.Fatalf("%s\n got: %v\nwant: the end of the stream", what, f)
	} else if err != io.EOF {
		p.t.Fatalf("%s\n got: %v\nwant: the end of the stream", what, err)
	}
}

// WantReset waits for a reset of the transport, and fails the test unless that comes next.
func (p *Peer) WantReset(what string) {
	p.t.Helper()
	if f, err := p.Next(); err == nil {
		p.t.Fatalf("%s\n got: %v\nwant: a reset", what, f)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("%s\n got: %v\nwant: a reset", what, err)
	}
}

// WantIdle waits until all goroutines of the bubble block. It fails the test if something was sent
// to the peer, even if a fault holds it back, or if the transport has ended.
//
// It works only under testing/synctest, and directly on an in-memory connection of this module.
// Anywhere else it fails the test, because something may still be on its way. There a ping shows
// that nothing came before its pong:
//
//	peer.Send(wstest.Ping("barrier"))
//	peer.Want("nothing before the pong", wstest.Pong("barrier"))
func (p *Peer) WantIdle(what string) {
	p.t.Helper()
	mem, ok := p.nc.(*memnet.Conn)
	if !ok || !inBubble() {
		p.t.Fatalf("%s: WantIdle works only under testing/synctest and directly on "+
			"an in-memory connection, not on a %T", what, p.nc)
	}
	synctest.Wait()
	if n := p.r.Buffered() + mem.Buffered(); n > 0 {
		f, err := p.Next()
		if err != nil {
			p.t.Fatalf("%s\n got: %d bytes: %v\nwant: nothing", what, n, err)
		}
		p.t.Fatalf("%s\n got: %d bytes, with: %v\nwant: nothing", what, n, f)
	}
	if err := mem.End(); err != nil {
		p.t.Fatalf("%s\n got: the transport's end: %v\nwant: nothing", what, err)
	}
}

// CloseWrite half-closes the transport, which must be able to do so. The other side reads all that
// was sent, and then the end.
func (p *Peer) CloseWrite() {
	p.t.Helper()
	c, ok := p.nc.(interface{ CloseWrite() error })
	if !ok {
		p.t.Fatalf("wstest: a %T cannot be half-closed", p.nc)
	}
	if err := c.CloseWrite(); err != nil {
		p.t.Fatalf("wstest: %v", err)
	}
}

// Close closes the transport, and sends no frame. A second Close does nothing.
func (p *Peer) Close() { p.nc.Close() }

// Cut resets the transport immediately, also under TLS. The other side loses the bytes that it has
// not read.
func (p *Peer) Cut() {
	p.t.Helper()
	nc := p.nc
	for {
		switch c := nc.(type) {
		case *memnet.Conn:
			c.Cut()
		case *net.TCPConn:
			c.SetLinger(0)
			c.Close()
		case interface{ NetConn() net.Conn }: // *tls.Conn
			nc = c.NetConn()
			continue
		default:
			p.t.Errorf("wstest: a %T cannot be cut", nc)
		}
		return
	}
}

// patience returns how long a call may wait before it fails the test.
func (p *Peer) patience() time.Duration {
	if inBubble() {
		return time.Hour
	}
	patience := 30 * time.Second
	if t, ok := p.t.(interface{ Deadline() (time.Time, bool) }); ok {
		if d, ok := t.Deadline(); ok {
			patience = min(patience, time.Until(d)-time.Second) // in time to print the failure
		}
	}
	return patience
}

// inBubble reports whether its caller runs under testing/synctest. The clock of a bubble starts in
// the year 2000, as its documentation promises.
func inBubble() bool { return time.Now().Year() < 2020 }

// A counter counts the bytes that it reads.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}
