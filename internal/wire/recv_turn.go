package wire

import (
	"context"
)

// lockRead locks readGate to continue with a message. If the background reader holds readGate,
// lockRead recalls it.
func (c *Conn) lockRead(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.readGate.TryLock() {
		return nil
	}
	return c.awaitRead(ctx)
}

func (c *Conn) awaitRead(ctx context.Context) error {
	c.reads.waiting.Add(1)
	c.mu.Lock()
	if c.wait.kind == inBackground || c.wait.kind == inHandler {
		c.recallReadLocked()
	}
	c.mu.Unlock()
	locked := c.readGate.Lock(ctx)
	if !locked && c.causeOf(ctx) == nil {
		locked = c.readGate.Lock(context.Background()) // after the end no holder waits for long
	}
	c.reads.waiting.Add(-1)
	if !locked {
		c.requestReader() // the background reader released readGate for this call, which did not take it
		return context.Cause(ctx)
	}
	return nil
}

// unlockRead releases readGate after a call. Pings and the peer's Close must be noticed even if no
// call reads. So unlockRead arms the idle timer. If a Close is under way, it starts the background
// reader immediately.
func (c *Conn) unlockRead() {
	c.freeUnused()
	c.recv.turns++
	turns := c.recv.turns
	c.readGate.Unlock()
	if c.reads.statsAsked.Load() != nil { // releaseRead, which is not inlined: each Pull comes here
		c.answerStats()
	}
	if c.flags.has(isClosing) || c.flags.has(isRequested) {
		c.startBackground()
	} else if !c.flags.has(isArmed) && c.flags.set(isArmed) {
		c.armIdle(turns)
	}
}

// leaveRead releases readGate after a goroutine that was no call, and starts the background reader
// if it was requested meanwhile. mu must not be held.
func (c *Conn) leaveRead() {
	c.releaseRead()
	c.readIfRequested()
}

// releaseRead releases readGate, and answers callers of Stats. The caller then calls
// readIfRequested, or knows that it need not.
func (c *Conn) releaseRead() {
	c.readGate.Unlock()
	if c.reads.statsAsked.Load() != nil {
		c.answerStats()
	}
}

// answerStats publishes what was received to callers of Stats, if no goroutine holds readGate. If
// one does, it answers when it releases readGate. mu must not be held.
func (c *Conn) answerStats() {
	if !c.readGate.TryLock() {
		return
	}
	c.account()
	c.mu.Lock()
	c.publishLocked()
	c.mu.Unlock()
	c.leaveRead()
}

// publishLocked publishes what was received to all callers of Stats. readGate must be held, too.
func (c *Conn) publishLocked() {
	c.wait.received = c.recv.received
	if asked := c.reads.statsAsked.Load(); asked != nil {
		c.reads.statsAsked.Store(nil)
		asked.Close()
	}
}

// freeUnused frees the memory that the input no longer needs.
func (c *Conn) freeUnused() {
	c.recv.in.trim()
	if c.compression.inflates() {
		c.freeInflater()
	}
}
