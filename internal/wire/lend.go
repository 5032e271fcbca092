package wire

import "sync"

// lend is how long a frame's payload must be to be sent from where it lies, which saves a copy.
const lend = 32 << 10

var lentChunks = sync.Pool{New: func() any { return new(chunk) }}

// lends reports whether the next frame of p can be given to the transport from the caller's memory: by the caller's own
// goroutine, at once, and with nothing in front.
func (c *Conn) lends(p *piece) bool {
	n := c.framer.length(p)
	return c.ask != nil && !c.sending && !c.framer.client && len(p.ready) == 0 && p.frame == 0 &&
		lend <= n && n <= maxPiece && c.nextOut() == nil
}

// lend puts the next frame of p into the outbox without copying its payload. Before anybody else can send, what has not
// left is taken back.
func (o *outbox) lend(f *framer, p *piece) *chunk {
	o.queued += int64(f.size(p))
	h, l := borrow(maxHeader), lentChunks.Get().(*chunk)
	f.open(h, p)
	h.paid, h.mid = true, true
	*l = chunk{buf: p.rest[:p.frame:p.frame], paid: true, shared: true, lent: true}
	p.rest, p.frame = p.rest[p.frame:], 0
	o.push(h)
	o.push(l)
	return l
}

// lent returns the payload that was lent behind the first chunk, nil for none.
func (o *outbox) lent() []byte {
	if l := o.head.next; l != nil && l.lent {
		return l.buf
	}
	return nil
}

// takeBack copies what the transport has not taken of a lent chunk.
func (o *outbox) takeBack(l *chunk) {
	at := &o.head
	for *at != nil && *at != l {
		at = &(*at).next
	}
	if *at == l { // else it has left, or was dropped
		own := borrow(len(l.buf) - l.sent)
		own.buf = append(own.buf, l.buf[l.sent:]...)
		own.paid, own.mid, own.next = l.paid, l.mid, l.next
		*at = own
		if o.tail == l {
			o.tail = own
		}
	}
	*l = chunk{}
	lentChunks.Put(l)
}
