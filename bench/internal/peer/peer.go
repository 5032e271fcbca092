// Package peer is the neutral other end of every measurement: raw frames on a TCP connection, written and read by
// hand, so that no library is measured against itself and each gets the same bytes.
package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"

	"github.com/gobwas/ws"
)

// A Peer speaks in frames. One goroutine may send and another receive; nothing of it allocates after the handshake.
type Peer struct {
	nc     net.Conn
	masked bool // it is the client: its frames are masked

	buf        []byte
	start, end int // what was read and not yet walked over
}

// Dial connects to a WebSocket server at addr and makes the client's side of the handshake.
func Dial(ctx context.Context, addr string) (*Peer, error) {
	nc, br, _, err := ws.Dial(ctx, "ws://"+addr+"/")
	if err != nil {
		return nil, err
	}
	p := newPeer(nc, true)
	if br != nil {
		p.end, _ = br.Read(p.buf[:br.Buffered()])
		ws.PutReader(br)
	}
	return p, nil
}

// Accept makes the server's side of the handshake on nc.
func Accept(nc net.Conn) (*Peer, error) {
	if _, err := ws.Upgrade(nc); err != nil {
		return nil, err
	}
	return newPeer(nc, false), nil
}

func newPeer(nc net.Conn, masked bool) *Peer {
	return &Peer{nc: nc, masked: masked, buf: make([]byte, 128<<10)}
}

// Close cuts the connection; what the peer's goroutines do ends with an error.
func (p *Peer) Close() { _ = p.nc.Close() }

// Frame returns a binary message of n bytes, in one frame as it is on the wire.
func (p *Peer) Frame(n int) []byte {
	payload := bytes.Repeat([]byte("wsstream"), n/8+1)[:n]
	f := ws.NewBinaryFrame(payload)
	if p.masked {
		f = ws.MaskFrameWith(f, [4]byte{0x5a, 0x17, 0xc3, 0x8e})
	}
	return ws.MustCompileFrame(f)
}

// Flood sends frame n times, many in one write where it is short.
func (p *Peer) Flood(frame []byte, n int) error {
	per := max(1, (64<<10)/len(frame))
	many := bytes.Repeat(frame, per)
	for ; n > 0; n -= per {
		if n < per {
			many = many[:n*len(frame)]
		}
		if _, err := p.nc.Write(many); err != nil {
			return err
		}
	}
	return nil
}

// Swallow takes n messages in, of however many frames, and looks at nothing but their headers.
func (p *Peer) Swallow(n int) error {
	for n > 0 {
		fin, err := p.skipFrame()
		if err != nil {
			return err
		}
		if fin {
			n--
		}
	}
	return nil
}

// Echo answers each of n messages with frame.
func (p *Peer) Echo(frame []byte, n int) error {
	for range n {
		if err := p.Swallow(1); err != nil {
			return err
		}
		if _, err := p.nc.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// skipFrame walks over the next frame and reports whether it ends a message. (Control frames do not come here: the
// peer sends nothing that asks for one.)
func (p *Peer) skipFrame() (fin bool, err error) {
	if err := p.need(2); err != nil {
		return false, err
	}
	head := p.buf[p.start:]
	fin = head[0]&0x80 != 0
	size, length := 2, int(head[1]&0x7f)
	if head[1]&0x80 != 0 {
		size += 4
	}
	switch length {
	case 126:
		if err := p.need(4); err != nil {
			return false, err
		}
		size, length = size+2, int(binary.BigEndian.Uint16(p.buf[p.start+2:]))
	case 127:
		if err := p.need(10); err != nil {
			return false, err
		}
		size, length = size+8, int(binary.BigEndian.Uint64(p.buf[p.start+2:]))
	}
	for rest := size + length; ; {
		n := min(rest, p.end-p.start)
		p.start += n
		if rest -= n; rest == 0 {
			return fin, nil
		}
		if err := p.need(1); err != nil {
			return false, err
		}
	}
}

// need reads until n bytes are there.
func (p *Peer) need(n int) error {
	for p.end-p.start < n {
		if p.start > 0 {
			p.end = copy(p.buf, p.buf[p.start:p.end])
			p.start = 0
		}
		m, err := p.nc.Read(p.buf[p.end:])
		if p.end += m; err != nil && p.end < n {
			return err
		}
	}
	return nil
}
