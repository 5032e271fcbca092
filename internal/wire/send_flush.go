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
func (c *Conn) send() {
	batched := c.out.held() >= batch || c.ponging != nil && c.ponging.room() < cap(c.ponging.buf)/2
	if c.sending || c.flusher && (c.push == nil || !batched) || c.nextOut() == nil {
		return
	}
	if c.push != nil && (batched || !c.partial && !c.gathering()) {
		c.sendNow()
	}
	c.startFlusher()
}

// gathering reports whether what is written now, with no flusher on its way, is likely to be followed by more.
func (c *Conn) gathering() bool {
	if c.quiet.Load() {
		c.quiet.Store(false)
		return false
	}
	return time.Since(epoch)-c.given < lull
}

// sendNow gives the transport what it takes without blocking. It expects mu to be held and nobody to be sending, and
// lets go of mu meanwhile.
func (c *Conn) sendNow() {
	c.sending = true
	for range inline {
		if c.nextOut() == nil {
			break
		}
		if !c.offer(nobody) {
			break
		}
	}
	c.sending = false
}

// startFlusher starts the flusher if there is something to send and nobody to do it.
func (c *Conn) startFlusher() {
	if !c.sending && !c.flusher && c.nextOut() != nil {
		c.flusher = true
		if c.flushF == nil {
			c.flushF = c.flush
		}
		go c.flushF() // the Conn's own: it ends with the backlog, or with the transport
	}
}

func (c *Conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.sending && !c.stall.claimed && c.nextOut() != nil {
		c.sending = true
		if c.ask != nil {
			c.offer(inBackground)
		} else if c.push == nil || !c.offer(nobody) && c.nextOut() != nil {
			c.giveFirst()
		}
		c.sending = false
	}
	c.flusher = false
	c.handOver()
}

// giveFirst gives the first chunk to a transport that may block.
func (c *Conn) giveFirst() {
	buf := c.out.head.buf[c.out.head.sent:]
	if c.alive != nil {
		c.offered()
		buf = buf[:min(len(buf), c.alive.step)]
	}
	c.blocked = true
	c.give(c.out.head)
	n, err := c.nc.Write(buf)
	c.mu.Lock()
	c.blocked = false
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	c.took(n, err)
}

// offer gives a transport that need not block what is in front, as much as a system call takes, and reports whether that has
// left whole. If who is not nobody it waits until something has left, or it is recalled.
func (c *Conn) offer(who parking) (whole bool) {
	first := c.out.head
	last, size := c.out.vector()
	if who != nobody {
		c.stalls().who = who
		if c.alive != nil {
			c.offered()
		}
	}
	c.give(last)
	n, err := c.push.write(first, last, who != nobody)
	c.mu.Lock()
	if who != nobody {
		err = c.resume(err)
	}
	c.took(n, err)
	return n == size
}

// give lets go of mu to give the transport the chunks up to last.
func (c *Conn) give(last *chunk) {
	c.out.busy = last
	c.given = time.Since(epoch)
	c.mu.Unlock()
}

// nextOut returns the chunk that should leave next, nil if there is none.
func (c *Conn) nextOut() *chunk {
	if c.end.over || c.end.leaving || c.end.stuck != nil {
		return nil
	}
	if c.ponging != nil && c.out.pongs == nil && !c.end.sent && c.out.jump(c.ponging) {
		c.out.pongs, c.ponging = c.ponging, nil
	}
	ps := c.pings
	if ps != nil && ps.unsent != nil && c.out.ping == nil && !c.end.sent && c.out.jump(ps.unsent) {
		c.out.ping, ps.unsent = ps.unsent, nil
	}
	return c.out.head
}

// took notes what the transport has taken of what it was given.
func (c *Conn) took(n int, err error) {
	c.out.busy = nil
	if c.end.over {
		c.out.clear()
		return
	}
	paid, closed := 0, false
	for left := n; left > 0; {
		first := c.out.head
		k := min(left, len(first.buf)-first.sent)
		if first.ping != nil && first.sent+k == len(first.buf) {
			c.pingLeft(first.ping)
		}
		p, cl := c.out.took(k)
		paid, closed, left = paid+p, closed || cl, left-k
	}
	if c.alive != nil && n > 0 {
		c.alive.gave(paid, c.out.head == nil)
	}
	if paid > 0 {
		c.writeWindow.Give(paid)
	}
	c.notify()
	if closed {
		c.closeLeft()
	}
	if err != nil {
		c.stuck(err)
	} else if c.end.aborted && !c.end.sent {
		c.dropUnbegun() // what it was given and has not begun
		c.queueClose()
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
	case c.end.queued:
		return
	case c.ponging == nil:
		c.ponging = borrow(smallChunk)
	case c.ponging.room() < maxControlLen:
		c.ponging.buf = c.ponging.buf[:0]
		c.out.withdraw()
	}
	c.framer.addControl(c.ponging, ws.OpPong, payload)
	if c.out.pongs == nil {
		c.recall()
	}
	c.send()
}
