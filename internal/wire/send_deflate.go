package wire

import (
	"sync"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Deflate is what was agreed about permessage-deflate, and when we use it.
type Deflate struct {
	Ours, Peer deflate.Sender
	Level      int // 1 to 9, or deflate.DefaultLevel
	Threshold  int // payload bytes from which a message is compressed that is written whole
}

// A packing is the compression of one connection.
type compression struct {
	*Deflate
	deflater *deflate.Deflater // owned by the holder of writeGate; nil until a message was compressed
	inflater *deflate.Inflater // owned by the holder of readGate, as the next one; nil until a message was inflated
	passed   int               // bytes that the rest of a message inflated to that nobody wants
	row      emptyRun          // blocks that brought nothing
}

func newCompression(d *Deflate) *compression {
	if d == nil {
		return nil
	}
	return &compression{Deflate: d}
}

// deflates reports whether a message was compressed.
func (z *compression) deflates() bool { return z != nil && z.deflater != nil }

// inflates reports whether a message was inflated.
func (z *compression) inflates() bool { return z != nil && z.inflater != nil }

const (
	maxPart = 32 << 10 // bytes of a Writer's message that are compressed at once
	longer  = 64       // bytes by which they may come out longer
)

// buffers are for what was compressed and is not yet encoded. One that had to hold a frame of an unusual size is not kept.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const maxKept = 4 * maxPiece

// pack has the message of p compressed, if that was agreed and it is long enough.
func (c *Conn) markCompressed(p *piece) {
	if z := c.compression; z != nil && len(p.rest) >= z.Threshold {
		p.plain, p.rest, p.toCompress, p.flush, p.rsv = p.rest, nil, true, deflate.End, rsv1
	}
}

// press returns n, which size has told of p; if that was 0 it compresses first, as much as makes a frame, and takes the
// credit for it. It expects writeGate to be held, credit to have been waited for, and the message to be sent whole from
// here on: what was compressed is a part of the context for the next. (Where no message follows, that does not matter.)
func (c *Conn) compressFrame(p *piece, n int) int {
	if n > 0 {
		return n
	}
	z := c.compression
	if z.deflater == nil {
		z.deflater = deflate.NewDeflater(z.Level, z.Ours)
	}
	if p.buf == nil {
		p.buf = buffers.Get().(*[]byte)
	}
	b := append((*p.buf)[:0], p.rest...)
	for p.toCompress && (c.send.framer.limit == 0 || len(b) < c.send.framer.limit) {
		part := p.plain[:min(len(p.plain), maxPiece)]
		p.plain = p.plain[len(part):]
		flush := deflate.More
		if len(p.plain) == 0 {
			flush, p.toCompress = p.flush, false
		}
		b = z.deflater.Deflate(b, part, flush)
	}
	*p.buf, p.rest = b, b
	n = c.send.framer.size(p)
	c.writeWindow.Force(n)
	return n
}

// giveBack gives back what p has borrowed.
func (p *piece) giveBack() {
	if p.buf != nil && cap(*p.buf) <= maxKept {
		buffers.Put(p.buf)
	}
	p.buf = nil
}

// ready returns the piece of a message that was encoded before.
func (c *Conn) readyPiece(frames [][]byte, data []byte, e Encoding) piece {
	p := piece{ready: frames, fin: true, length: int64(len(data))}
	if e.Bits > 0 && !c.compression.Ours.NoTakeover {
		p.plain = data
	}
	return p
}

// remember makes a message that was compressed elsewhere a part of the context, as it is of the peer's. Where we have
// none yet we refer to nothing, and need not.
func (c *Conn) remember(p *piece) {
	if !p.toCompress && len(p.plain) > 0 && c.compression.deflates() {
		c.compression.deflater.Remember(p.plain)
	}
}

// Encoding returns how a message of n bytes is encoded that is compressed, if at all, for itself.
func (c *Conn) Encoding(n int, compress bool) Encoding {
	e := Encoding{MaxFrame: c.send.framer.limit}
	if z := c.compression; z != nil && compress && n >= z.Threshold {
		e.Bits, e.Level = z.Ours.Bits, z.Level
	}
	return e
}

// endTurn ends the turn to write p.
func (c *Conn) endTurn(p *piece) {
	if p.buf != nil {
		p.giveBack()
	}
	c.unlockWrite()
}

// unlockWrite gives up the turn to write.
func (c *Conn) unlockWrite() {
	deflates := c.compression.deflates()
	c.writeGate.Unlock()
	if deflates {
		c.freeDeflater()
	}
}

// forgetSent lets go of what was sent, once nothing follows. Whoever has the turn to write then does so when giving it up.
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
