package wire

import (
	"context"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A piece is a message, or a part of one, on its way into the outbox. The framer cuts frames from
// rest, one after another. A long frame is encoded in several steps.
type piece struct {
	ctx    context.Context // of the Write; nil if it never waits
	op     ws.OpCode       // OpContinuation after the first frame
	rsv    byte            // of the first frame
	fin    bool            // the last frame ends the message
	tried  bool            // it is TryWrite's
	rest   []byte          // payload not yet encoded, the caller's or in buf; never changed
	length int64           // payload bytes of the message that the last frame ends

	ready [][]byte // frames that were encoded before, in place of rest; shared, never changed

	plain      []byte  // what is yet to be compressed; of ready frames, their plain payload
	toCompress bool    // plain is yet to be compressed, to its end
	buf        *[]byte // borrowed for what was compressed; nil for none

	// The frame that is being encoded.
	begun     bool // the first header is encoded
	frameLeft int  // payload bytes that the frame still lacks
	mask      masking
}

// done reports whether all frames of p are in the outbox.
func (p *piece) done() bool {
	return p.begun && len(p.rest) == 0 && len(p.ready) == 0 && !p.toCompress
}

// A framer cuts messages into frames. client and limit never change. mu guards the rest.
type framer struct {
	masks  masker
	limit  int // payload bytes of a frame; 0 for one frame a message
	client bool
	header [maxHeader]byte
}

func newFramer(client bool, limit int) framer {
	f := framer{client: client, limit: max(limit, 0)}
	if client {
		f.masks = newMasker()
	}
	return f
}

// length returns the payload bytes of the next frame of p.
func (f *framer) length(p *piece) int {
	if f.limit > 0 {
		return min(len(p.rest), f.limit)
	}
	return len(p.rest)
}

// size returns how many bytes the next step adds to the outbox; 0 if p must be compressed first.
func (f *framer) size(p *piece) int {
	if len(p.ready) > 0 {
		return len(p.ready[0])
	}
	if p.frameLeft > 0 {
		return min(p.frameLeft, maxPiece)
	}
	if p.toCompress && (f.limit == 0 || len(p.rest) < f.limit) {
		return 0
	}
	n := f.length(p)
	return ws.HeaderSize(ws.Header{Length: int64(n), Masked: f.client}) + min(n, maxPiece)
}

// single reports whether one step encodes all of p, of which nothing is encoded yet. A message that
// is compressed needs the turn to write.
func (f *framer) single(p *piece) bool {
	if p.toCompress || p.plain != nil {
		return false
	}
	if len(p.ready) > 0 {
		return len(p.ready) == 1
	}
	return f.length(p) == len(p.rest) && len(p.rest) <= maxPiece
}

// newMask returns the masking of a frame, with a fresh key if we are a client.
func (f *framer) newMask() (m masking) {
	if f.client {
		m.on, m.key = true, f.masks.key()
	}
	return m
}

// beginFrame appends the header of the next frame of p to c.
func (f *framer) beginFrame(c *chunk, p *piece) {
	p.frameLeft, p.mask = f.length(p), f.newMask()
	h := ws.Header{
		OpCode: p.op,
		Rsv:    p.rsv,
		Length: int64(p.frameLeft),
		Fin:    p.fin && p.frameLeft == len(p.rest) && !p.toCompress,
		Masked: p.mask.on,
		Mask:   p.mask.key,
	}
	_ = ws.WriteHeaderBuffer(c, h, f.header[:]) // a chunk takes what it is given
	p.op, p.rsv, p.begun = ws.OpContinuation, 0, true
}

// appendPayload appends the next n bytes of the frame that p has begun to c.
func (f *framer) appendPayload(c *chunk, p *piece, n int) {
	from := len(c.buf)
	c.buf = append(c.buf, p.rest[:n]...)
	p.mask.apply(c.buf[from:])
	p.rest, p.frameLeft = p.rest[n:], p.frameLeft-n
}

// control returns a small chunk with a control frame.
func (f *framer) control(op ws.OpCode, payload []byte) *chunk {
	c := borrow(smallChunk)
	f.appendControl(c, op, payload)
	return c
}

// appendControl appends a control frame to c, which has memory for it.
func (f *framer) appendControl(c *chunk, op ws.OpCode, payload []byte) {
	mask := f.newMask()
	h := ws.Header{
		OpCode: op,
		Length: int64(len(payload)),
		Fin:    true,
		Masked: mask.on,
		Mask:   mask.key,
	}
	_ = ws.WriteHeaderBuffer(c, h, f.header[:])
	from := len(c.buf)
	c.buf = append(c.buf, payload...)
	mask.apply(c.buf[from:])
}

// An Encoding says how to encode a message for several connections. The message is compressed
// without reference to others, or not at all.
type Encoding struct {
	MaxFrame    int // payload bytes of a frame; 0 or less: one frame
	Bits, Level int // of the compression; 0 for none
}

// Encode returns the frames of a message. A server can send them on each connection that has this
// Encoding.
func Encode(op ws.OpCode, data []byte, e Encoding) (frames [][]byte) {
	f := newFramer(false, e.MaxFrame)
	p := piece{op: op, rest: data, fin: true}
	if e.Bits > 0 {
		d := deflate.NewDeflater(e.Level, deflate.Sender{Bits: e.Bits, NoTakeover: true})
		p.rest, p.rsv = d.Deflate(nil, data, true), rsv1
	}
	for !p.done() {
		n := f.length(&p)
		c := &chunk{buf: make([]byte, 0, maxHeader+n)}
		f.beginFrame(c, &p)
		f.appendPayload(c, &p, n)
		frames = append(frames, c.buf)
	}
	return frames
}
