package wire

// An outbox holds encoded frames on their way out, in chunks. Once the transport has taken a byte
// of a chunk, the rest of the chunk follows next. Pongs and our ping overtake the other chunks.
type outbox struct {
	head, tail *chunk
	givenTo    *chunk // the last chunk that a goroutine is giving to the transport; nil for none
	pongs      *chunk // the one chunk with pongs; nil for none
	ping       *chunk // the one chunk with our ping; nil for none
	last       *chunk // with the last frame that ends no message; nil once that has left
	lent       int32  // chunks whose bytes are the caller's
	lastAt     uint16 // where the header of that frame begins: largeChunk at most
	mid        bool   // what left last ends inside a frame
	wide       bool   // chunks fill faster than they leave

	// Bytes that are charged to the window: ever put in, taken by the transport, and dropped.
	queued, taken, dropped int64
}

// held returns how many bytes that are charged to the window are in the outbox.
func (o *outbox) held() int { return int(o.queued - o.taken - o.dropped) }

// encode puts in the next frame of p, or the next step of a long one.
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
			o.last, o.lastAt = c, uint16(len(c.buf))
		}
		f.beginFrame(c, p)
	}
	f.appendPayload(c, p, min(p.frameLeft, maxPiece))
	c.paid, c.mid = true, p.frameLeft > 0
	o.queued += int64(size)
}

// share puts in a frame that was encoded before. Only a long one is worth a chunk of its own, and a
// lone one that is not short. Others are copied, so that many of them are one chunk.
func (o *outbox) share(frame []byte) {
	if len(frame) > smallChunk || o.head == nil && len(frame) >= shareFrom {
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

// chunkFor returns the last chunk if it has memory for size more bytes, or else a new one. A new
// chunk is small for a lone message, and large while the backlog fills chunks.
func (o *outbox) chunkFor(size int) *chunk {
	c := o.tail
	filled := c != nil && !c.shared // by encoding
	full := filled && c.free() < size
	if filled && !full && c.paid && c != o.givenTo && (c != o.head || !o.firstBegun()) {
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

// insertFirst puts c before all that the transport has not begun. It reports false if that is
// inside a frame whose end is still to come.
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

// firstBegun reports whether the transport has begun the first chunk.
func (o *outbox) firstBegun() bool {
	return o.head != nil && (o.givenTo != nil || o.head.taken > 0)
}

// isGiven reports whether a goroutine is giving c, which is in the outbox, to the transport.
func (o *outbox) isGiven(c *chunk) bool {
	given := o.givenTo != nil
	for at := o.head; at != c; at = at.next {
		given = given && at != o.givenTo
	}
	return given
}

// hasBegun reports whether the transport has begun c, which is in the outbox, or is being given it.
func (o *outbox) hasBegun(c *chunk) bool { return c.taken > 0 || o.isGiven(c) }

// insideFrame reports whether what was put in last ends inside a frame.
func (o *outbox) insideFrame() bool {
	if o.tail != nil {
		return o.tail.mid
	}
	return o.mid
}

// endLast makes the last frame that ends no message end one. It reports false if the transport may
// have its header.
func (o *outbox) endLast() bool {
	c := o.last
	if c == nil || c.taken > int(o.lastAt) || o.isGiven(c) {
		return false
	}
	c.buf[o.lastAt] |= finBit
	o.last = nil
	return true
}

// vector returns the last of the chunks for the next system call, and how many bytes of them have
// not left.
func (o *outbox) vector() (last *chunk, size int) {
	last = o.head
	size = len(last.buf) - last.taken
	for n := 1; n < maxVector && last.next != nil; n++ {
		last = last.next
		size += len(last.buf)
	}
	return last, size
}

// took notes that the transport has taken n bytes of the first chunk. It returns how many of them
// were charged to the window, and whether our Close frame has left.
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
	o.wide = o.wide && (c.shared || len(c.buf) > smallChunk)
	if o.head = c.next; o.head == nil {
		o.tail = nil
	}
	o.letGo(c)
	return paid, closed
}

// letGo releases c, which is no longer in the outbox.
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

// dropPongs drops the pongs if the transport has not begun them.
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

// dropUnbegun drops all that the transport has not begun, and returns how many of those bytes were
// charged to the window. A frame that has begun stays, and so do the chunks that the transport is
// being given.
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

// clear drops all, also what has begun, and returns how many of those bytes were charged to the
// window. The chunks that the transport is being given stay until it has answered.
func (o *outbox) clear() (paid int) {
	paid = o.held()
	o.dropped += int64(paid)
	o.cutBehind(o.givenTo)
	return paid
}

// cutBehind releases the chunks behind keep, all if keep is nil. It returns how many of their bytes
// were charged to the window.
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
