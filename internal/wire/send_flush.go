package wire

import (
	"context"
	"io"
)

// sending is the state of the way out. mu guards it, except the fields of the framer that never
// change.
type sending struct {
	out        outbox
	framer     framer
	pongs      *chunk        // pongs behind those in the outbox; nil for none
	pings      *pings        // our own; nil before the first
	stall      *stall        // nil until a goroutine has waited for the transport to take more
	moved      chan struct{} // closed when the outbox moves on; nil while no goroutine waits for that
	flushF     func()        // the flusher's function; made once, since each start would allocate it
	given      instant       // when the transport was last given something
	total      count         // messages that were accepted
	writes     int           // Writes that were encoded whole
	baton      bool          // a goroutine has the baton: it gives the outbox to the transport
	flusher    bool          // the flusher runs, or is about to
	blocked    bool          // the flusher is inside a write that may block
	encoding   bool          // a Write was admitted, and is not encoded whole
	writerOpen bool          // a Writer's message is open
}

// sendRelocks makes sure that the outbox leaves.
//
// A nonblocking transport gets a lone message, or a full batch, immediately. The messages of a
// burst are gathered. The first of them starts the flusher, which sends them all when it runs. So
// they leave even if no call follows, and many share a system call. Fragments of a Writer's message
// are gathered, too: the last of them may yet get the FIN bit.
func (c *Conn) sendRelocks() {
	s := &c.send
	batched := c.isBatchedLocked()
	if s.baton || s.flusher && (c.nonblocking == nil || !batched) || c.nextOutLocked() == nil {
		return
	}
	if c.nonblocking != nil && (batched || !s.writerOpen && !c.gathersLocked()) {
		c.sendNowRelocks()
	}
	c.startFlusherLocked()
}

// isBatchedLocked reports whether what is gathered is worth a system call of its own.
func (c *Conn) isBatchedLocked() bool {
	s := &c.send
	return s.out.held() >= batch || s.pongs != nil && s.pongs.free() < cap(s.pongs.buf)/2
}

// sendBeforeWaitRelocks gives a nonblocking transport what is gathered, before its caller waits for
// input: the answers to all that was read leave together.
func (c *Conn) sendBeforeWaitRelocks() {
	if c.nonblocking != nil && !c.send.baton && c.nextOutLocked() != nil {
		c.sendNowRelocks()
		c.startFlusherLocked()
	}
}

// gathersLocked reports whether more messages are likely to follow the one written now. It uses up
// the reader's hint that this one is an answer.
func (c *Conn) gathersLocked() bool {
	if c.flags.has(answersNow) {
		c.flags.clear(answersNow)
		return false
	}
	return clock().sub(c.send.given) < lull
}

// sendNowRelocks gives a nonblocking transport what it takes in a few writes: inlineWrites at most.
// The baton must be free.
func (c *Conn) sendNowRelocks() {
	c.send.baton = true
	for range inlineWrites {
		if c.nextOutLocked() == nil || !c.offerRelocks(notWaiting) {
			break
		}
	}
	c.send.baton = false
}

// startFlusherLocked starts the flusher if there is something to send, and no goroutine sends.
func (c *Conn) startFlusherLocked() {
	if s := &c.send; !s.baton && !s.flusher && c.nextOutLocked() != nil {
		s.flusher = true
		if s.flushF == nil {
			s.flushF = c.flush
		}
		go s.flushF() // the Conn's own: it ends with the backlog, or with the transport
	}
}

// flush is the flusher. It sends until the outbox is empty, or a Write claims the baton.
func (c *Conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.send.baton && !c.send.stalled().claimed && c.nextOutLocked() != nil {
		c.send.baton = true
		if c.isPollable() {
			c.offerRelocks(inBackground)
		} else if c.nonblocking == nil || !c.offerRelocks(notWaiting) && c.nextOutLocked() != nil {
			c.giveFirstRelocks()
		}
		c.send.baton = false
	}
	c.send.flusher = false
	c.giveBatonLocked()
}

// giveFirstRelocks gives the first chunk to a transport that may block.
func (c *Conn) giveFirstRelocks() {
	first := c.send.out.head
	buf := first.buf[first.taken:]
	if c.alive != nil {
		c.offeredLocked()
		buf = buf[:min(len(buf), c.alive.step)]
	}
	c.send.blocked = true
	c.givesLocked(first)
	c.mu.Unlock()
	n, err := c.nc.Write(buf)
	c.mu.Lock()
	c.send.blocked = false
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	c.tookLocked(n, err)
}

// offerRelocks gives a nonblocking transport as many chunks as one system call takes. It reports
// whether all of them have left. If as is not notWaiting, it waits until something has left,
// or the goroutine is recalled.
func (c *Conn) offerRelocks(as waiter) (whole bool) {
	first := c.send.out.head
	last, size := c.send.out.vector()
	if as != notWaiting {
		c.send.noteStall().kind = as
		if c.alive != nil {
			c.offeredLocked()
		}
	}
	c.givesLocked(last)
	c.mu.Unlock()
	n, err := c.nonblocking.write(first, last, as != notWaiting)
	c.mu.Lock()
	if as != notWaiting {
		err = c.backLocked(err)
	}
	c.tookLocked(n, err)
	return n == size
}

// givesLocked notes that the caller, which has the baton, gives the chunks up to last to the
// transport.
func (c *Conn) givesLocked(last *chunk) {
	c.send.out.givenTo = last
	c.send.given = clock()
}

// nextOutLocked returns the chunk that leaves next, nil if there is none. Before that it puts the
// pongs and the ping that wait into the outbox, where that is possible.
func (c *Conn) nextOutLocked() *chunk {
	e, out := c.end.facts(), &c.send.out
	if e.over || e.leaving || e.stuck != nil {
		return nil
	}
	if e.closeLeft {
		return out.head
	}
	if pongs := c.send.pongs; pongs != nil && out.pongs == nil && out.insertFirst(pongs) {
		out.pongs, c.send.pongs = pongs, nil
	}
	if ps := c.send.pings; ps != nil && ps.unsent != nil && out.ping == nil {
		ps.enter(out)
	}
	return out.head
}

// tookLocked notes that the transport has taken n bytes of what it was given.
func (c *Conn) tookLocked(n int, err error) {
	out := &c.send.out
	out.givenTo = nil
	if c.end.facts().over {
		out.clear()
		return
	}
	paid, closed := 0, false
	for left := n; left > 0; {
		first := out.head
		k := min(left, len(first.buf)-first.taken)
		if first == out.ping && first.taken+k == len(first.buf) {
			c.pingLeftLocked()
		}
		p, cl := out.took(k)
		paid, closed, left = paid+p, closed || cl, left-k
	}
	if c.alive != nil && n > 0 {
		c.alive.gave(paid, out.head == nil)
	}
	c.writeWindow.Give(paid)
	c.notifyLocked()
	if closed {
		c.closeLeftLocked()
	}
	if err != nil {
		c.outputFailedLocked(err)
	} else if e := c.end.facts(); e.aborted && !e.closeLeft {
		c.dropUnbegunLocked() // the transport was given it, and has not begun it
		c.queueCloseLocked()
	}
}

// notifyLocked wakes the goroutines that wait for the outbox to move on.
func (c *Conn) notifyLocked() {
	if c.send.moved != nil {
		close(c.send.moved)
		c.send.moved = nil
	}
}

// Flush waits until the transport has taken all that was accepted before.
func (c *Conn) Flush(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.flushed(ctx) {
		return nil
	}
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	return c.whyNotWritten(ctx)
}

// flushed waits until the transport has taken all that was accepted before. It reports false if ctx
// ends first, or if some of it will not leave.
func (c *Conn) flushed(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.send
	encoding, nth, upTo := s.encoding, s.writes, s.out.queued
	for c.causeOf(ctx) == nil {
		if encoding && (!s.encoding || s.writes != nth) {
			encoding, upTo = false, s.out.queued // the Write that was admitted before is whole
		}
		if !encoding && s.out.taken >= upTo {
			return true
		}
		if e := c.end.facts(); e.over || e.stuck != nil || e.aborted {
			return false
		}
		c.awaitMoveRelocks(ctx)
	}
	return false
}

// awaitMoveRelocks waits until the outbox moves on, or ctx ends.
func (c *Conn) awaitMoveRelocks(ctx context.Context) {
	if c.send.moved == nil {
		c.send.moved = make(chan struct{})
	}
	moved := c.send.moved
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-moved:
	case <-ctx.Done():
	}
}
