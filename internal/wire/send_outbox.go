package wire

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// An outbox holds encoded frames on their way out, in chunks. A chunk that the transport has begun leaves whole;
// pongs and a ping of ours overtake the others.
type outbox struct {
	head, tail *chunk
	givenTo    *chunk // up to which a goroutine is giving them to the transport; nil for none
	pongs      *chunk // the one chunk with pongs; nil for none
	ping       *chunk // the one chunk with a ping of ours; nil for none
	last       *chunk // with the last frame that ends no message; nil once it has left
	lastAt     int    // where its header begins
	lent       int    // chunks that are the caller's of a Write
	mid        bool   // what was sent last ends inside a frame
	wide       bool   // chunks fill faster than they leave

	// Bytes that the window has paid for: ever put in, taken by the transport, and dropped.
	queued, taken, dropped int64
}

// held returns the bytes held that the window has paid for.
func (o *outbox) held() int { return int(o.queued - o.taken - o.dropped) }

// A piece is a part of a message on its way into the outbox: the message's frames are cut from rest, one after
// another, and long frames are put in piece by piece.
type piece struct {
	op         ws.OpCode     // OpContinuation after the first frame
	rest       []byte        // payload not yet encoded; the caller's, or in buf; never changed
	ready      [][]byte      // frames that were encoded before, instead of all that; shared, never changed
	plain      []byte        // what is still to be compressed; of ready frames, what they were compressed from
	toCompress bool          // raw has yet to be compressed, to its end
	flush      deflate.Flush // what follows raw
	buf        *[]byte       // borrowed for what was compressed; nil for none
	rsv        byte          // of the first frame
	begun      bool          // the first header has been encoded
	fin        bool          // the last frame ends the message
	length     int64         // payload bytes of the message that the last frame ends
	frameLeft  int           // payload bytes that the open frame still lacks
	mask       [4]byte
	phase      int
	ctx        context.Context // of a Write, which may wait for room where its message lies; else nil
}

// A framer cuts messages into frames.
type framer struct {
	client bool
	limit  int               // payload bytes a frame; 0: one frame a message
	masks  *mathrand.ChaCha8 // masks must not be predictable (RFC 6455, section 10.3)
	header [maxHeader]byte
}

// newFramer returns a framer; the masks of a client are seeded from the system's randomness.
func newFramer(client bool, limit int) framer {
	f := framer{client: client, limit: max(limit, 0)}
	if client {
		var seed [32]byte
		_, _ = rand.Read(seed[:]) // never fails
		f.masks = mathrand.NewChaCha8(seed)
	}
	return f
}

// size returns the bytes that the next put will add to the outbox; 0 where they have to be compressed first.
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

// single reports whether one put takes all of p, of which nothing was put yet.
func (f *framer) single(p *piece) bool {
	if p.toCompress || p.plain != nil {
		return false // the compressor is for who has the turn
	}
	if len(p.ready) > 0 {
		return len(p.ready) == 1
	}
	return f.length(p) == len(p.rest) && len(p.rest) <= maxPiece
}

// length returns the payload bytes of the next frame.
func (f *framer) length(p *piece) int {
	if f.limit > 0 {
		return min(len(p.rest), f.limit)
	}
	return len(p.rest)
}

// done reports whether all frames of p have been put into the outbox.
func (p *piece) done() bool { return p.begun && len(p.rest) == 0 && len(p.ready) == 0 && !p.toCompress }

// put encodes the next frame of p, or the next piece of a long one.
func (o *outbox) encode(f *framer, p *piece) {
	if len(p.ready) > 0 {
		o.share(p.ready[0])
		p.ready, p.begun = p.ready[1:], true
		return
	}
	size := f.size(p)
	c := o.chunkFor(size)
	if p.frameLeft == 0 {
		if !p.fin {
			o.last, o.lastAt = c, len(c.buf)
		}
		f.beginFrame(c, p)
	}
	n := min(p.frameLeft, maxPiece)
	from := len(c.buf)
	c.buf = append(c.buf, p.rest[:n]...)
	if f.client {
		ws.Cipher(c.buf[from:], p.mask, p.phase)
	}
	p.rest, p.frameLeft, p.phase = p.rest[n:], p.frameLeft-n, p.phase+n
	c.paid, c.mid = true, p.frameLeft > 0
	o.queued += int64(size)
}

// share puts in a frame that was encoded before. Only a long one is worth a chunk of its own.
func (o *outbox) share(frame []byte) {
	if len(frame) > smallChunk {
		c := share(frame)
		c.paid = true
		o.push(c)
	} else {
		c := o.chunkFor(len(frame))
		c.buf = append(c.buf, frame...)
		c.paid = true
	}
	o.queued += int64(len(frame))
}

// An Encoding is what the frames of a message depend on that is compressed for itself, or not at all.
type Encoding struct {
	MaxFrame    int // payload bytes of a frame; 0 or less: one frame
	Bits, Level int // of the compression; 0: none
}

// Encode returns the frames of a message as every server sends it whose connection has the same Encoding.
func Encode(op ws.OpCode, data []byte, e Encoding) (frames [][]byte) {
	f := newFramer(false, e.MaxFrame)
	p := piece{op: op, rest: data, fin: true}
	if e.Bits > 0 {
		d := deflate.NewDeflater(e.Level, deflate.Sender{Bits: e.Bits, NoTakeover: true})
		p.rest, p.rsv = d.Deflate(nil, data, deflate.End), rsv1
	}
	for !p.done() {
		n := f.length(&p)
		c := &chunk{buf: make([]byte, 0, maxHeader+n)}
		f.beginFrame(c, &p)
		c.buf = append(c.buf, p.rest[:n]...)
		p.rest, p.frameLeft = p.rest[n:], 0
		frames = append(frames, c.buf)
	}
	return frames
}

// open encodes the header of the next frame of p.
func (f *framer) beginFrame(c *chunk, p *piece) {
	p.frameLeft, p.phase = f.length(p), 0
	h := ws.Header{
		OpCode: p.op,
		Rsv:    p.rsv,
		Length: int64(p.frameLeft),
		Fin:    p.fin && p.frameLeft == len(p.rest) && !p.toCompress,
		Masked: f.client,
	}
	f.encode(c, &h)
	p.mask = h.Mask
	p.op, p.rsv, p.begun = ws.OpContinuation, 0, true
}

// encode appends a header to c, with a fresh mask where there is one.
func (f *framer) encode(c *chunk, h *ws.Header) {
	if f.client {
		binary.LittleEndian.PutUint64(f.header[:8], f.masks.Uint64())
		copy(h.Mask[:], f.header[:4])
	}
	_ = ws.WriteHeaderBuffer(c, *h, f.header[:]) // a chunk takes what it is given
}

// control returns a chunk with a control frame.
func (f *framer) control(op ws.OpCode, payload []byte) *chunk {
	c := borrow(maxHeader + len(payload))
	f.addControl(c, op, payload)
	return c
}

// addControl appends a control frame to c, which has room for it.
func (f *framer) addControl(c *chunk, op ws.OpCode, payload []byte) {
	h := ws.Header{OpCode: op, Length: int64(len(payload)), Fin: true, Masked: f.client}
	f.encode(c, &h)
	from := len(c.buf)
	c.buf = append(c.buf, payload...)
	if f.client {
		ws.Cipher(c.buf[from:], h.Mask, 0)
	}
}

// room returns the last chunk if size more bytes can go into it, else a new one: small for a lone message, large
// while the backlog fills chunks.
func (o *outbox) chunkFor(size int) *chunk {
	c := o.tail
	full := c != nil && c.free() < size
	if c != nil && !full && c.paid && c != o.givenTo && (c != o.head || !o.firstBegun()) {
		return c
	}
	if o.wide = o.wide || full; o.wide {
		size = largeChunk
	}
	c = borrow(size)
	o.push(c)
	return c
}

// push puts c at the end.
func (o *outbox) push(c *chunk) {
	if o.tail == nil {
		o.head = c
	} else {
		o.tail.next = c
	}
	o.tail = c
}

// jump puts c in front of all that the transport has not begun, and reports false if that would be inside a frame whose
// end is still to come.
func (o *outbox) insertFirst(c *chunk) bool {
	at := &o.head
	for begun := o.firstBegun() || o.mid; begun; {
		if *at == nil {
			return false
		}
		begun, at = (*at).mid, &(*at).next
	}
	if *at == nil {
		o.tail = c
	}
	c.next = *at
	*at = c
	return true
}

// given reports whether the transport is being given c, which is in the outbox.
func (o *outbox) isGiven(c *chunk) bool {
	given := o.givenTo != nil
	for at := o.head; at != c; at = at.next {
		given = given && at != o.givenTo
	}
	return given
}

// begins reports whether the transport has begun c, which is in the outbox, or is being given it.
func (o *outbox) hasBegun(c *chunk) bool { return c.taken > 0 || o.isGiven(c) }

// fin makes the last frame put in that ends no message the end of one, where the transport has yet
// to see its header.
func (o *outbox) endLast() bool {
	c := o.last
	if c == nil || c.taken > o.lastAt || o.isGiven(c) {
		return false
	}
	c.buf[o.lastAt] |= finBit
	o.last = nil
	return true
}

const finBit = 0x80 // of a header's first byte

// withdraw drops the pongs if the transport has not begun them.
func (o *outbox) dropPongs() {
	c := o.pongs
	if c == nil || o.hasBegun(c) {
		return
	}
	before := (*chunk)(nil)
	for at := o.head; at != c; at = at.next {
		before = at
	}
	if before == nil {
		o.head = c.next
	} else {
		before.next = c.next
	}
	if o.tail == c {
		o.tail = before
	}
	o.letGo(c)
}

// begun reports whether the transport has begun the first chunk.
func (o *outbox) firstBegun() bool { return o.head != nil && (o.givenTo != nil || o.head.taken > 0) }

// open reports whether what was put in last ends inside a frame.
func (o *outbox) insideFrame() bool {
	if o.tail != nil {
		return o.tail.mid
	}
	return o.mid
}

// took says that the transport has taken n bytes of the first chunk. It returns those of them that the window
// has paid for, and whether our Close frame has left.
func (o *outbox) took(n int) (paid int, closed bool) {
	c := o.head
	c.taken += n
	if c.paid {
		paid = n
		o.taken += int64(n)
	}
	if c.taken < len(c.buf) {
		return paid, false
	}
	closed, o.mid = c.closes, c.mid
	o.wide = o.wide && len(c.buf) > smallChunk
	o.dropHead()
	return paid, closed
}

func (o *outbox) dropHead() {
	c := o.head
	o.head = c.next
	if o.head == nil {
		o.tail = nil
	}
	o.letGo(c)
}

// let lets go of c, which is out.
func (o *outbox) letGo(c *chunk) {
	if c.lent {
		o.lent--
	}
	if c == o.pongs {
		o.pongs = nil
	}
	if c == o.ping {
		o.ping = nil
	}
	if c == o.last {
		o.last = nil
	}
	c.release()
}

// maxVector is how many chunks a system call is given: 15 frames of 64 KiB with their headers. (That they are no more than a
// MiB together is worth it: over loopback, with Linux 6.18, a MiB in one call costs half as much again as in two.)
const maxVector = 30

// vector returns the last of the chunks that the next system call is given, and how many bytes they hold that have not
// left.
func (o *outbox) vector() (last *chunk, size int) {
	last = o.head
	size = len(last.buf) - last.taken
	for n := 1; n < maxVector && last.next != nil; n++ {
		last = last.next
		size += len(last.buf)
	}
	return last, size
}

// drop drops all that the transport has not begun, and returns the bytes of it that the window has paid for.
// A frame that has begun stays, and so do chunks that the transport is being given.
func (o *outbox) dropUnbegun() (paid int) {
	keep, given := (*chunk)(nil), o.givenTo
	mid := o.mid || o.firstBegun()
	for c := o.head; c != nil && (mid || given != nil); c = c.next {
		keep, mid = c, c.mid
		if c == given {
			given = nil
		}
	}
	paid = o.cutBehind(keep)
	o.dropped += int64(paid)
	return paid
}

// clear drops all, also what has begun, and returns the bytes of it that the window has paid for. Chunks that the
// transport is being given stay until it has answered.
func (o *outbox) clear() (paid int) {
	paid = o.held()
	o.dropped += int64(paid)
	o.cutBehind(o.givenTo)
	return paid
}

// cut lets go of the chunks behind keep, of all if it is nil, and returns the bytes of them that the window has
// paid for.
func (o *outbox) cutBehind(keep *chunk) (paid int) {
	var rest *chunk
	if keep == nil {
		rest, o.head, o.tail = o.head, nil, nil
	} else {
		rest, keep.next, o.tail = keep.next, nil, keep
	}
	for rest != nil {
		c := rest
		rest = c.next
		if c.paid {
			paid += len(c.buf) - c.taken
		}
		o.letGo(c)
	}
	return paid
}
