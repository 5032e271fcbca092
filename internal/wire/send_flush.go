package wire

import (
	"io"
	"time"

	"github.com/gobwas/ws"
)

const (
	// A batch is worth a system call of its own.
	batch = 16 << 10

	// inline is how many chunks a goroutine gives to the transport by itself. What others queue meanwhile is not for it
	// to send for ever.
	inline = 4

	// lull is how long nothing must have been given to the transport for a write to be a lone one.
	lull = 200 * time.Microsecond
)

// epoch is what times are counted from: that takes a third of the time of a time.Now.
var epoch = time.Now()

// send sees to it that what is in the outbox leaves. It expects mu to be held, and lets go of it meanwhile.
//
// Where the transport never blocks, a lone message is given to it at once, and so is a batch. The
// messages of a burst are gathered by a flusher, which is on its way while they come: they are sent
// when it runs, even if nobody calls again, and many of them share a system call. The fragments of
// a Writer's message are gathered, too: the last may yet be told that it is the last.
func (c *Conn) sendRelocks() {
	batched := c.send.out.held() >= batch || c.send.pongs != nil && c.send.pongs.free() < cap(c.send.pongs.buf)/2
	if c.send.baton || c.send.flusher && (c.nonblocking == nil || !batched) || c.nextOutLocked() == nil {
		return
	}
	if c.nonblocking != nil && (batched || !c.send.writerOpen && !c.gatheringLocked()) {
		c.sendNowRelocks()
	}
	c.startFlusherLocked()
}

// gathering reports whether what is written now, with no flusher on its way, is likely to be followed by more.
func (c *Conn) gatheringLocked() bool {
	if c.answerNow.Load() {
		c.answerNow.Store(false)
		return false
	}
	return time.Since(epoch)-c.send.given < lull
}

// sendNow gives the transport what it takes without blocking. It expects mu to be held and nobody to be sending, and
// lets go of mu meanwhile.
func (c *Conn) sendNowRelocks() {
	c.send.baton = true
	for range inline {
		if c.nextOutLocked() == nil {
			break
		}
		if !c.offerRelocks(nobody) {
			break
		}
	}
	c.send.baton = false
}

// startFlusher starts the flusher if there is something to send and nobody to do it.
func (c *Conn) startFlusherLocked() {
	if !c.send.baton && !c.send.flusher && c.nextOutLocked() != nil {
		c.send.flusher = true
		if c.send.flushF == nil {
			c.send.flushF = c.flush
		}
		go c.send.flushF() // the Conn's own: it ends with the backlog, or with the transport
	}
}

func (c *Conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.send.baton && !c.send.stalled().claimed && c.nextOutLocked() != nil {
		c.send.baton = true
		if c.pollable != nil {
			c.offerRelocks(inBackground)
		} else if c.nonblocking == nil || !c.offerRelocks(nobody) && c.nextOutLocked() != nil {
			c.giveFirstRelocks()
		}
		c.send.baton = false
	}
	c.send.flusher = false
	c.giveBatonLocked()
}

// giveFirst gives the first chunk to a transport that may block.
func (c *Conn) giveFirstRelocks() {
	buf := c.send.out.head.buf[c.send.out.head.taken:]
	if c.alive != nil {
		c.offeredLocked()
		buf = buf[:min(len(buf), c.alive.step)]
	}
	c.send.blocked = true
	c.give(c.send.out.head)
	n, err := c.nc.Write(buf)
	c.mu.Lock()
	c.send.blocked = false
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	c.tookLocked(n, err)
}

// offer gives a transport that need not block what is in front, as much as a system call takes, and reports whether that has
// left whole. If who is not nobody it waits until something has left, or it is recalled.
func (c *Conn) offerRelocks(who waiter) (whole bool) {
	first := c.send.out.head
	last, size := c.send.out.vector()
	if who != nobody {
		c.ownStallLocked().who = who
		if c.alive != nil {
			c.offeredLocked()
		}
	}
	c.give(last)
	n, err := c.nonblocking.write(first, last, who != nobody)
	c.mu.Lock()
	if who != nobody {
		err = c.resumedLocked(err)
	}
	c.tookLocked(n, err)
	return n == size
}

// give lets go of mu to give the transport the chunks up to last.
func (c *Conn) give(last *chunk) {
	c.send.out.givenTo = last
	c.send.given = time.Since(epoch)
	c.mu.Unlock()
}

// nextOut returns the chunk that should leave next, nil if there is none.
func (c *Conn) nextOutLocked() *chunk {
	if c.end.facts().over || c.end.facts().leaving || c.end.facts().stuck != nil {
		return nil
	}
	if c.send.pongs != nil && c.send.out.pongs == nil && !c.end.facts().closeLeft && c.send.out.insertFirst(c.send.pongs) {
		c.send.out.pongs, c.send.pongs = c.send.pongs, nil
	}
	ps := c.send.pings
	if ps != nil && ps.unsent != nil && c.send.out.ping == nil && !c.end.facts().closeLeft && c.send.out.insertFirst(ps.unsent) {
		c.send.out.ping, ps.unsent = ps.unsent, nil
	}
	return c.send.out.head
}

// took notes what the transport has taken of what it was given.
func (c *Conn) tookLocked(n int, err error) {
	c.send.out.givenTo = nil
	if c.end.facts().over {
		c.send.out.clear()
		return
	}
	paid, closed := 0, false
	for left := n; left > 0; {
		first := c.send.out.head
		k := min(left, len(first.buf)-first.taken)
		if first.ping != nil && first.taken+k == len(first.buf) {
			c.pingLeftLocked(first.ping)
		}
		p, cl := c.send.out.took(k)
		paid, closed, left = paid+p, closed || cl, left-k
	}
	if c.alive != nil && n > 0 {
		c.alive.gave(paid, c.send.out.head == nil)
	}
	if paid > 0 {
		c.writeWindow.Give(paid)
	}
	c.notifyLocked()
	if closed {
		c.closeLeftLocked()
	}
	if err != nil {
		c.outputFailedLocked(err)
	} else if c.end.facts().aborted && !c.end.facts().closeLeft {
		c.dropUnbegunLocked() // what it was given and has not begun
		c.queueCloseLocked()
	}
}

// pong answers a ping. The answers wait in one chunk until those before them have left, so they
// leave in order. That chunk and the one before it are their reserve, outside the window: where the
// peer sends pings and reads no pongs until there is no room for one more, the newest replaces all
// that have not begun to leave (RFC 6455, section 5.5.3). After our Close none is sent.
func (c *Conn) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.end.facts().closeQueued:
		return
	case c.send.pongs == nil:
		c.send.pongs = borrow(smallChunk)
	case c.send.pongs.free() < maxControlLen:
		c.send.pongs.buf = c.send.pongs.buf[:0]
		c.send.out.dropPongs()
	}
	c.send.framer.addControl(c.send.pongs, ws.OpPong, payload)
	if c.send.out.pongs == nil {
		c.recallWriteLocked()
	}
	c.sendRelocks()
}
