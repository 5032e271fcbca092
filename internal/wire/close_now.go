package wire

import (
	"context"
	"time"
)

// CloseNow cuts the transport, and drops what is unread. Before that it gives the transport as much
// of what was accepted as that takes without waiting.
func (c *Conn) CloseNow() {
	c.flags.set(isDropping)
	c.mu.Lock()
	c.giveLastRelocks()
	c.end.note().cut = true
	c.settleLocked()
	c.mu.Unlock()
	c.flags.set(isRequested) // to drop what is unread
	c.startBackground()
	if !c.end.done.Closed() {
		c.awaitClosed()
	}
}

// awaitClosed waits until the transport is closed and Owner.Ended has returned. That takes no time,
// unless the transport's Close blocks. It waits for closeNowWait at most.
func (c *Conn) awaitClosed() {
	select {
	case <-c.end.done.Done():
		c.mu.Lock() // goneLocked holds it while it tells the owner
		defer c.mu.Unlock()
	case <-time.After(closeNowWait):
	}
}

// giveLastRelocks gives a nonblocking transport as much of the outbox as it takes. It first recalls
// the goroutine that has the baton. A goroutine inside a write that may block keeps the baton. Then
// giveLastRelocks gives nothing.
func (c *Conn) giveLastRelocks() {
	e, s := c.end.note(), &c.send
	if c.nonblocking == nil || e.over {
		return
	}
	e.leaving = true
	c.recallWriteLocked()
	for s.baton && !s.blocked && !e.over {
		c.awaitMoveRelocks(context.Background())
	}
	if s.baton {
		return
	}
	s.baton = true
	for s.out.head != nil && e.stuck == nil && !e.over && c.offerRelocks(notWaiting) {
	}
	s.baton = false
}
