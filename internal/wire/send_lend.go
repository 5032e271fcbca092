package wire

// lends reports whether the next frame of p can be lent: given to the transport from the caller's
// memory, by the caller's own goroutine. That saves a copy. A client's frames are masked, and so
// they are copied.
func (c *Conn) lends(p *piece) bool {
	return c.nonblocking != nil && !c.send.framer.client &&
		len(p.ready) == 0 && p.frameLeft == 0 && c.send.framer.length(p) >= lendFrom
}

// sendLentRelocks sends p, whose next frame is lent and has credit. While the window is overdrawn
// it waits until the transport takes more. When the rest fits the window it copies that, for the
// flusher. The baton must be free.
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
		as := notWaiting
		if c.writeWindow.Credit() < need && c.watchWriteLocked(p.ctx) {
			as = onCall
		}
		if !c.offerRelocks(as) && as == notWaiting {
			break
		}
	}
	c.send.out.takeBack()
	c.send.baton = false
	c.queueCloseLocked()
	c.startFlusherLocked() // the transport takes no more now
}

// lendLocked puts as many frames of p into the outbox as one system call takes. paid of their bytes
// have credit.
func (c *Conn) lendLocked(p *piece, paid int) {
	out := &c.send.out
	for out.lent < maxLent && c.goesOnLocked(p) {
		before := out.queued
		if c.lends(p) {
			out.lend(&c.send.framer, p)
		} else {
			out.encode(&c.send.framer, p) // the end of a message
		}
		c.encodedLocked(p)
		c.writeWindow.Force(int(out.queued-before) - paid)
		paid = 0
	}
}

// goesOnLocked reports whether there is another frame of p to send that needs no compression first.
func (c *Conn) goesOnLocked(p *piece) bool {
	e := c.end.facts()
	return !p.done() && c.send.framer.size(p) > 0 &&
		!e.aborted && !e.leaving && e.stuck == nil && !e.over
}

// lend puts the next frame of p into the outbox without copying its payload. Before another
// goroutine can send, takeBack copies what has not left.
func (o *outbox) lend(f *framer, p *piece) {
	header := borrow(maxHeader)
	if !p.fin {
		o.last, o.lastAt = header, 0
	}
	f.beginFrame(header, p)
	payload := share(p.rest[:p.frameLeft])
	header.paid, header.mid, payload.paid, payload.lent = true, true, true, true
	o.queued += int64(len(header.buf) + p.frameLeft)
	p.rest, p.frameLeft = p.rest[p.frameLeft:], 0
	o.push(header)
	o.push(payload)
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

// copied returns chunks of our own that replace l. They have copies of the bytes of l that have not
// left.
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
