package wire

import (
	"context"
	"time"
)

// CloseNow cuts the transport and drops what is unread. What was accepted and the transport takes without waiting is given
// to it first.
func (c *Conn) CloseNow() {
	c.dropping.Store(true)
	c.mu.Lock()
	c.giveLast()
	c.ending().cut = true
	c.settle()
	c.wake() // to drop what is unread
	c.mu.Unlock()
	if !c.done.Closed() {
		c.awaitGone()
	}
}

// awaitGone waits until the transport is closed, and all is told: that takes no time, or else too long.
func (c *Conn) awaitGone() {
	select {
	case <-c.done.Done():
		c.mu.Lock() // under which it is told
		defer c.mu.Unlock()
	case <-time.After(moment):
	}
}

// giveLast gives the transport what it takes of the outbox without waiting, where it has a pusher. It lets go of mu
// meanwhile. A goroutine that has the baton is called back first; one inside a write that may block keeps it.
func (c *Conn) giveLast() {
	e := c.ending()
	if c.push == nil || e.over {
		return
	}
	e.leaving = true
	c.recall()
	for c.sending && !c.blocked && !e.over {
		c.awaitMove(context.Background())
	}
	if c.sending {
		return
	}
	c.sending = true
	for c.out.head != nil && e.stuck == nil && !e.over && c.offer(nobody) {
	}
	c.sending = false
}
