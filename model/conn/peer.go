package conn

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// A peer plays the script of a program.
type peer struct {
	p     *Program
	nc    net.Conn
	far   *memnet.Conn // nc, if it is in memory; else nil
	head  []byte       // of its handshake, held back
	wrote int          // bytes behind the handshake
	masks *rand.Rand
	press presser

	faults []Fault // that are still to come
	inside bool    // a message has begun
	closed bool    // its Close was sent
	hushed bool    // nothing more can be sent

	mu      sync.Mutex
	replies []func() // what the reader asks the writer to do
	poke    chan struct{}
	opened  chan struct{} // closed when the handshake is done on both sides
	stop    chan struct{} // closed at the end of the run
	done    chan struct{} // closed when nothing more can be read
	heard   atomic.Bool   // a Close has come
	bytes   []byte        // that have come behind the handshake
	out     []byte        // that were sent behind it
}

func newPeer(p *Program, nc net.Conn) *peer {
	far, _ := nc.(*memnet.Conn)
	return &peer{
		p:      p,
		nc:     nc,
		far:    far,
		masks:  rand.New(rand.NewPCG(1, 2)),
		press:  presser{takeover: p.Deflate != nil && !p.Deflate.PeerNoTakeover},
		faults: p.Peer.Faults,
		poke:   make(chan struct{}, 1),
		opened: make(chan struct{}),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
}

// shake makes the peer's side of the handshake. It returns what came behind the other side's.
func (p *peer) shake() (*bufio.Reader, error) {
	r := bufio.NewReader(p.nc)
	if !p.p.Client { // the peer is the client
		ask := "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		if d := p.p.Deflate; d != nil {
			ask += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
		}
		p.head = []byte(ask + "\r\n")
		if !p.p.Early {
			p.release()
		}
		return r, nil
	}
	q, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(q.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	say := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if d := p.p.Deflate; d != nil {
		say += "Sec-WebSocket-Extensions: permessage-deflate"
		if d.PeerNoTakeover {
			say += "; server_no_context_takeover"
		}
		if d.NoTakeover {
			say += "; client_no_context_takeover"
		}
		say += "\r\n"
	}
	p.head = []byte(say + "\r\n")
	if !p.p.Early {
		p.release()
	}
	return r, nil
}

// awaitOpen reads the other side's handshake, if that comes second.
func (p *peer) awaitOpen(r *bufio.Reader) error {
	if p.p.Client {
		return nil
	}
	s, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	ext := s.Header.Get("Sec-WebSocket-Extensions")
	if s.StatusCode != http.StatusSwitchingProtocols ||
		strings.Contains(ext, "deflate") != (p.p.Deflate != nil) {
		return fmt.Errorf("the handshake was answered with %d and %q", s.StatusCode, ext)
	}
	return nil
}

func (p *peer) release() {
	_, _ = p.nc.Write(p.head)
	p.head = nil
}

// read reads what comes by the script, and reacts to it.
func (p *peer) read(r io.Reader) {
	buf := make([]byte, 16<<10)
	reads := p.p.Peer.Reads
	left := 0
	if len(reads) > 0 {
		left = reads[0].N
	}
	var b []byte
	for {
		for len(reads) > 0 && left <= 0 {
			if !p.sleep(reads[0].Pause) {
				return
			}
			if reads = reads[1:]; len(reads) > 0 {
				left = reads[0].N
			}
		}
		room := len(buf)
		if len(reads) > 0 {
			room = min(room, left)
		}
		n, err := r.Read(buf[:room])
		left -= n
		p.mu.Lock()
		p.bytes = append(p.bytes, buf[:n]...)
		p.mu.Unlock()
		b = p.react(append(b, buf[:n]...))
		if err != nil {
			return
		}
	}
}

// react handles the whole frames that b begins with, and returns the rest.
func (p *peer) react(b []byte) []byte {
	for {
		h, ok := parse(b)
		if !ok || uint64(len(b)-h.size) < h.length {
			return b
		}
		h.take(b)
		b = b[h.size+len(h.payload):]
		switch h.op {
		case opPing:
			if !p.p.Peer.Mute {
				p.reply(func() { p.control(opPong, h.payload) })
			}
		case opClose:
			p.heard.Store(true)
			p.reply(func() { p.answerClose(h.payload) })
		}
	}
}

func (p *peer) reply(f func()) {
	p.mu.Lock()
	p.replies = append(p.replies, f)
	p.mu.Unlock()
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// answer does what the reader has asked for.
func (p *peer) answer() {
	for {
		p.mu.Lock()
		if len(p.replies) == 0 {
			p.mu.Unlock()
			return
		}
		f := p.replies[0]
		p.replies = p.replies[1:]
		p.mu.Unlock()
		f()
	}
}

func (p *peer) answerClose(body []byte) {
	switch p.p.Peer.OnClose {
	case closeEcho:
		p.sendClose(body[:min(2, len(body))])
	case closeCode:
		p.sendClose(closeBody(p.p.Peer.Code, "own"))
	case closeHangUp:
		_ = p.nc.Close()
	case closeIgnore:
		return
	}
	p.drop()
}

func (p *peer) sendClose(body []byte) {
	if !p.closed {
		p.control(opClose, body)
		p.closed = true
	}
}

// drop drops the transport once both Closes have passed, as a server does. A client does so later.
func (p *peer) drop() {
	if p.closed && p.heard.Load() && !p.p.Peer.Linger {
		_ = p.nc.Close()
	}
}

// play sends the script. It then reacts until the end of the run.
func (p *peer) play() {
	defer p.press.free()
	acts := p.p.Peer.Acts
	for i := range len(acts) * (1 + p.p.Peer.Again) {
		p.answer()
		a := &acts[i%len(acts)]
		if a.Wait > 0 && p.head != nil {
			p.release() // else the handshake would wait as long
		}
		if !p.sleep(a.Wait) {
			return
		}
		p.act(a, i)
	}
	if p.head != nil {
		p.release()
	}
	for {
		p.answer()
		select {
		case <-p.poke:
		case <-p.stop:
			return
		}
	}
}

// sleep reports false at the end of the run. It reacts meanwhile.
func (p *peer) sleep(d time.Duration) bool { return pause(d, p.stop) }

// The acts of a peer.
const (
	actMessage = "message"
	actControl = "control" // N pings or pongs
	actEmpty   = "empty"   // a message with N empty fragments
	actClose   = "close"
	actTorn    = "torn" // a Close inside a message
	actBreach  = "breach"
	actPart    = "part" // the start of a message that never ends
)

func (p *peer) act(a *Act, id int) {
	switch a.Do {
	case actMessage:
		p.message(a, id)
	case actControl:
		for i := range a.N {
			op := byte(opPing)
			if a.Kind == 1 {
				op = opPong
			}
			p.control(op, content(kindWords, 100*id+i, a.Size, true))
			p.answer()
		}
	case actEmpty:
		first := byte(opBinary)
		for range a.N {
			p.frame(&frame{op: first})
			first = opMore
			p.inside = true
			p.answer()
		}
		p.frame(&frame{op: first, fin: true, payload: content(kindWords, id, a.Size, true)})
		p.inside = false
	case actClose:
		p.sendClose(closeBody(a.Code, "bye"))
		p.drop()
	case actTorn:
		p.frame(&frame{op: opBinary, payload: content(kindWords, id, a.Size, true)})
		p.sendClose(closeBody(a.Code, "torn"))
		p.drop()
	case actPart:
		f := frame{fin: true, op: opBinary, payload: content(kindWords, id, a.Size+1, true)}
		b := p.encode(&f)
		p.write(b[:len(b)-1])
		p.hushed = true
	case actBreach:
		p.breach(a, id)
	}
}

func (p *peer) message(a *Act, id int) {
	data := content(a.Kind, id, a.Size, a.Text)
	first := frame{op: opBinary}
	if a.Text {
		first.op = opText
	}
	if a.Press && p.p.Deflate != nil {
		data, first.rsv = p.press.press(data), 4
	}
	for i, n := range a.Parts {
		n = min(n, len(data))
		first.payload = data[:n]
		data = data[n:]
		p.frame(&first)
		p.inside = true
		first = frame{op: opMore}
		p.answer()
		if !p.sleep(a.Pause) {
			return
		}
		if i < len(a.Gaps) {
			for j := range a.Gaps[i] {
				p.control(opPing, content(kindWords, 1000*id+10*i+j, 6, true))
			}
		}
	}
	first.fin, first.payload = true, data
	p.frame(&first)
	p.inside = false
	p.answer()
}

func (p *peer) control(op byte, payload []byte) {
	p.frame(&frame{op: op, fin: true, payload: payload})
}

func (p *peer) encode(f *frame) []byte {
	if !p.p.Client {
		f.masked = !f.masked
		binary.LittleEndian.PutUint32(f.key[:], p.masks.Uint32())
	}
	return f.append(nil)
}

func (p *peer) frame(f *frame) {
	if !p.closed {
		p.write(p.encode(f))
	}
}

// The breaches of RFC 6455 that a peer may commit.
var breaches = []string{
	"mask", "rsv", "rsv1", "opcode", "length", "sign", "control fragment", "long control",
	"continuation", "message in message", "close byte", "close code", "close reason",
	"text", "cut text", "deflate", "garbage",
}

func (p *peer) breach(a *Act, id int) {
	f := frame{fin: true, op: opBinary, payload: content(kindWords, id, min(a.Size, 100), true)}
	switch breaches[a.N] {
	case "mask":
		f.masked = true
		b := f.append(nil)
		if !p.p.Client {
			f.masked = false
			b = f.append(nil)
		}
		p.write(b)
		return
	case "rsv":
		f.rsv = 2
	case "rsv1":
		if p.p.Deflate != nil {
			f.op = opPing
		}
		f.rsv = 4
	case "opcode":
		f.op = 5
	case "length":
		f.wide = 2
	case "sign":
		b := p.encode(&frame{fin: true, op: opBinary, wide: 8})
		b[2] |= 0x80
		p.write(b)
		return
	case "control fragment":
		f.fin, f.op = false, opPing
	case "long control":
		f.op, f.payload = opPong, make([]byte, 126)
	case "continuation":
		f.op = opMore
	case "message in message":
		p.frame(&frame{op: opText, payload: []byte("x")})
	case "close byte":
		f.op, f.payload = opClose, []byte{3}
	case "close code":
		f.op, f.payload = opClose, closeBody(1005, "")
	case "close reason":
		f.op, f.payload = opClose, closeBody(1000, "\xff")
	case "text":
		f.op, f.payload = opText, append(f.payload, 0xff)
	case "cut text":
		p.frame(&frame{op: opText, payload: append(f.payload, 0xe6, 0xbc)})
		f.op, f.payload = opMore, nil
	case "deflate":
		f.payload = []byte{0xff, 0xff, 0xff}
		if f.rsv = 4; p.p.Deflate == nil {
			f.op = 3
		}
	case "garbage":
		f.op, f.rsv, f.payload = 7, 7, bytes.Repeat([]byte{0xf7}, a.Size)
	}
	p.frame(&f)
}

// write writes bytes behind the handshake, with the faults that are due.
func (p *peer) write(b []byte) {
	for len(b) > 0 && !p.hushed {
		n := len(b)
		if pace := p.p.Peer.Pace; pace > 0 {
			n = min(n, pace)
		}
		var due *Fault
		if len(p.faults) > 0 {
			f := p.faults[0]
			if f.At <= p.wrote {
				due, p.faults = &f, p.faults[1:]
				n = min(n, 1)
			} else {
				n = min(n, f.At-p.wrote)
			}
		}
		part := b[:n]
		if due != nil {
			part = p.fault(due, bytes.Clone(part))
		}
		if p.hushed {
			return
		}
		b = b[n:]
		p.wrote += n
		p.mu.Lock()
		p.out = append(p.out, part...)
		p.mu.Unlock()
		part = append(p.head, part...)
		p.head = nil
		if _, err := p.nc.Write(part); err != nil {
			p.hushed = true
			return
		}
		if p.p.Peer.Every > 0 && !p.sleep(p.p.Peer.Every) {
			p.hushed = true
		}
	}
}

// fault makes a fault happen in front of a byte. It returns the byte.
func (p *peer) fault(f *Fault, b []byte) []byte {
	if p.head != nil {
		p.release()
	}
	select {
	case <-p.opened:
	case <-p.stop:
	}
	switch f.Do {
	case faultStall:
		p.hushed = !p.sleep(f.For)
	case faultCorrupt:
		b[0] ^= f.Flip
	case faultReset:
		p.hushed = true
		p.reset()
	case faultClose:
		p.hushed = true
		_ = p.nc.Close()
	case faultHalf:
		p.hushed = true
		if h, ok := p.nc.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
	}
	return b
}

func (p *peer) reset() {
	if p.far != nil {
		p.far.Cut()
		return
	}
	nc := p.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if l, ok := nc.(*net.TCPConn); ok {
		_ = l.SetLinger(0)
	}
	_ = nc.Close()
}

// end ends the peer.
func (p *peer) end() {
	close(p.stop)
	_ = p.nc.Close()
}

// got returns what has come behind the handshake.
func (p *peer) got() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// sent returns what was sent behind the handshake.
func (p *peer) sent() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}
