package wire

import (
	"sync"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Deflate is the agreed permessage-deflate (RFC 7692), and when we use it.
type Deflate struct {
	Ours, Peer deflate.Sender
	Level      int // 1 to 9, or deflate.DefaultLevel
	Threshold  int // payload bytes from which Write compresses a message
}

// A compression is the permessage-deflate of one connection.
type compression struct {
	*Deflate
	deflater *deflate.Deflater // the holder of writeGate owns it; nil until a message was compressed
	inflating
}

func newCompression(d *Deflate) *compression {
	if d == nil {
		return nil
	}
	return &compression{Deflate: d}
}

// deflates reports whether there is a deflater: a message was compressed.
func (z *compression) deflates() bool { return z != nil && z.deflater != nil }

// frameBuffers are for compressed payload that is not yet encoded.
var frameBuffers = sync.Pool{New: func() any { return new([]byte) }}

// returnBuffer returns what p has borrowed. A buffer of an unusual size is not kept.
func (p *piece) returnBuffer() {
	if p.buf != nil && cap(*p.buf) <= maxKeptFrame {
		frameBuffers.Put(p.buf)
	}
	p.buf = nil
}

// markCompressed marks the message of p to be compressed, if compression was agreed and the message
// is long enough.
func (c *Conn) markCompressed(p *piece) {
	if z := c.compression; z != nil && len(p.rest) >= z.Threshold {
		p.plain, p.rest = p.rest, nil
		p.toCompress, p.rsv = true, rsv1
	}
}

// compressFrame returns n, the size of the next step of p. If n is 0, it first compresses enough of
// p for one frame, and charges the frame to the window. writeGate must be held, and p must then be
// sent: later messages refer to what was compressed. If no message follows, that does not matter.
func (c *Conn) compressFrame(p *piece, n int) int {
	if n > 0 {
		return n
	}
	z, limit := c.compression, c.send.framer.limit
	if z.deflater == nil {
		z.deflater = deflate.NewDeflater(z.Level, z.Ours)
	}
	if p.buf == nil {
		p.buf = frameBuffers.Get().(*[]byte)
	}
	b := append((*p.buf)[:0], p.rest...)
	for p.toCompress && (limit == 0 || len(b) < limit) {
		part := p.plain[:min(len(p.plain), maxPiece)]
		p.plain = p.plain[len(part):]
		p.toCompress = len(p.plain) > 0
		b = z.deflater.Deflate(b, part, p.fin && !p.toCompress)
	}
	*p.buf, p.rest = b, b
	n = c.send.framer.size(p)
	c.writeWindow.Force(n)
	return n
}

// readyPiece returns the piece of a message that was encoded before.
func (c *Conn) readyPiece(frames [][]byte, data []byte, e Encoding) piece {
	p := piece{ready: frames, fin: true, length: int64(len(data))}
	if e.Bits > 0 && !c.compression.Ours.NoTakeover {
		p.plain = data
	}
	return p
}

// remember adds a message that was compressed elsewhere to the compressor's context, because the
// peer's context has it, too. If there is no compressor yet, no message can refer to it.
func (c *Conn) remember(p *piece) {
	if !p.toCompress && len(p.plain) > 0 && c.compression.deflates() {
		c.compression.deflater.Remember(p.plain)
	}
}

// Encoding returns how to Encode a message of n bytes for this Conn.
func (c *Conn) Encoding(n int, compress bool) Encoding {
	e := Encoding{MaxFrame: c.send.framer.limit}
	if z := c.compression; z != nil && compress && n >= z.Threshold {
		e.Bits, e.Level = z.Ours.Bits, z.Level
	}
	return e
}

// endTurn ends the turn to write p.
func (c *Conn) endTurn(p *piece) {
	p.returnBuffer()
	c.unlockWrite()
}

// unlockWrite ends the turn to write.
func (c *Conn) unlockWrite() {
	deflates := c.compression.deflates()
	c.writeGate.Unlock()
	if deflates {
		c.freeDeflater()
	}
}

// freeDeflater frees the deflater after the connection ended. If a writer holds writeGate, that
// frees it when it unlocks.
func (c *Conn) freeDeflater() {
	if !c.end.done.Closed() || !c.writeGate.TryLock() {
		return
	}
	if z := c.compression; z.deflates() {
		z.deflater.Close()
		z.deflater = nil
	}
	c.writeGate.Unlock()
}
