package wire

const (
	// lend is how long a frame's payload must be to be sent from where it lies, which saves a copy.
	lend = 32 << 10

	// maxLent is how many frames are lent at once: what a system call is given.
	maxLent = maxVector / 2
)

// lends reports whether the next frame of p can be given to the transport from the caller's memory, by the caller's own
// goroutine.
func (c *Conn) lends(p *piece) bool {
	return c.nonblocking != nil && !c.send.framer.client && len(p.ready) == 0 && p.frameLeft == 0 && c.send.framer.length(p) >= lend
}

// sendLent sends p, whose next frame lends and is paid for, from where it lies. Where the window is overdrawn it waits
// for room itself, rather than for a flusher, and it ends when what is unsent fits: that is copied then, for a flusher.
// It expects the baton to be free, and lets go of mu while it has it.
func (c *Conn) sendLentRelocks(p *piece) {
	c.send.baton = true
	paid := c.send.framer.size(p)
	for {
		c.lendLocked(p, paid)
		paid = 0
		if c.send.out.lent == 0 || c.nextOutLocked() == nil {
			break
		}
		need := 0
		if c.goesOnLocked(p) {
			need = 1 // credit for the next frame
		}
		who := nobody
		if c.writeWindow.Credit() < need && c.watchWriteLocked(p.ctx) {
			who = onCall
		}
		if !c.offerRelocks(who) && who == nobody {
			break
		}
	}
	c.send.out.takeBack()
	c.send.baton = false
	c.queueCloseLocked()
	c.startFlusherLocked() // the transport has just taken all that it takes
}

// lend puts frames of p into the outbox, as many as a system call takes, paid bytes of which are paid for.
func (c *Conn) lendLocked(p *piece, paid int) {
	for c.send.out.lent < maxLent && c.goesOnLocked(p) {
		before := c.send.out.queued
		if c.lends(p) {
			c.send.out.lend(&c.send.framer, p)
		} else {
			c.send.out.encode(&c.send.framer, p) // the end of a message
		}
		c.encodedLocked(p)
		c.writeWindow.Force(int(c.send.out.queued-before) - paid)
		paid = 0
	}
}

// goesOn reports whether there is another frame of p to send, for which nothing has to be compressed first.
func (c *Conn) goesOnLocked(p *piece) bool {
	return !p.done() && c.send.framer.size(p) > 0 && !c.end.facts().aborted && !c.end.facts().leaving && c.end.facts().stuck == nil && !c.end.facts().over
}

// lend puts the next frame of p into the outbox without copying its payload. Before anybody else can send, what has not
// left is taken back.
func (o *outbox) lend(f *framer, p *piece) {
	h := borrow(maxHeader)
	if !p.fin {
		o.last, o.lastAt = h, 0
	}
	f.beginFrame(h, p)
	l := share(p.rest[:p.frameLeft])
	h.paid, h.mid, l.paid, l.lent = true, true, true, true
	o.queued += int64(len(h.buf) + p.frameLeft)
	p.rest, p.frameLeft = p.rest[p.frameLeft:], 0
	o.push(h)
	o.push(l)
	o.lent++
}

// takeBack copies what the transport has not taken of lent chunks.
func (o *outbox) takeBack() {
	for at := &o.head; o.lent > 0; at = &(*at).next {
		if l := *at; l.lent {
			*at = o.copied(l)
			o.letGo(l)
		}
	}
}

// copied returns chunks of our own with what has not left of l, in its place.
func (o *outbox) copied(l *chunk) (first *chunk) {
	at := &first
	for rest := l.buf[l.taken:]; len(rest) > 0; {
		n := min(len(rest), largeChunk)
		c := borrow(n)
		c.buf = append(c.buf, rest[:n]...)
		rest = rest[n:]
		c.paid, c.mid, c.next = true, len(rest) > 0 || l.mid, l.next
		if o.tail == l && len(rest) == 0 {
			o.tail = c
		}
		*at, at = c, &c.next
	}
	return first
}
