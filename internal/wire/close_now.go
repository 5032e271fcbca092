package wire

import (
	"context"
	"time"
)

// CloseNow cuts the transport and drops what is unread. What was accepted and the transport takes without waiting is given
// to it first.
func (c *Conn) CloseNow() {
	c.reads.dropping.Store(true)
	c.mu.Lock()
	c.giveLastRelocks()
	c.end.note().cut = true
	c.settleLocked()
	c.requestReader() // to drop what is unread
	c.mu.Unlock()
	if !c.end.done.Closed() {
		c.awaitClosed()
	}
}

// awaitGone waits until the transport is closed, and all is told: that takes no time, or else too long.
func (c *Conn) awaitClosed() {
	select {
	case <-c.end.done.Done():
		c.mu.Lock() // under which it is told
		defer c.mu.Unlock()
	case <-time.After(shortAbsence):
	}
}

// giveLast gives the transport what it takes of the outbox without waiting, where it has a pusher. It lets go of mu
// meanwhile. A goroutine that has the baton is called back first; one inside a write that may block keeps it.
func (c *Conn) giveLastRelocks() {
	e := c.end.note()
	if c.nonblocking == nil || e.over {
		return
	}
	e.leaving = true
	c.recallWriteLocked()
	for c.send.baton && !c.send.blocked && !e.over {
		c.awaitMoveRelocks(context.Background())
	}
	if c.send.baton {
		return
	}
	c.send.baton = true
	for c.send.out.head != nil && e.stuck == nil && !e.over && c.offerRelocks(nobody) {
	}
	c.send.baton = false
}
