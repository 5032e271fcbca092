package wire

import "context"

// unlockRead gives up the turn to read. Somebody has to see pings and the peer's Close when nobody pulls, so the
// idle timer is armed, and where a Close is pending the reader goes on at once.
func (c *Conn) unlockRead() {
	c.tidy()
	c.recv.turns++
	turns := c.recv.turns
	c.readGate.Unlock()
	if c.reads.statsAsked.Load() != nil { // as letGo, which is not inlined: each Pull comes here
		c.answerStats()
	}
	if c.background.closing.Load() || c.background.requested.Load() {
		c.startBackground()
	} else if !c.background.armed.Load() && c.background.armed.CompareAndSwap(false, true) {
		c.background.turns.Store(turns)
		t := c.background.timer.Load()
		if t == nil {
			t = c.newTimer()
		}
		t.Reset(idleTick())
	}
}

// idled is what the timer does.
func (c *Conn) timerFired() {
	if c.background.armed.Swap(false) { // whoever gives the turn up from here on arms it anew
		c.startIfUnread()
	}
	if c.alive != nil {
		c.checkAlive()
	}
}

// unattended starts the reader if nobody has read since the timer was armed.
func (c *Conn) startIfUnread() {
	if !c.readGate.TryLock() {
		return
	}
	if c.recv.turns != c.background.turns.Load() {
		c.unlockRead()
		return
	}
	if c.alive == nil {
		c.background.timer.Store(nil) // the reader may stay for long
	}
	if !c.readInBackground() && c.background.requested.Load() {
		c.startBackground()
	}
}

// wake has the input looked after although no call reads: by a background reader, or by the holder of readGate when it
// gives that up. It is for callers that hold mu, or do not wait: what looks at the input may fail, which takes mu, so
// wake itself looks at nothing.
func (c *Conn) requestReader() {
	c.background.requested.Store(true)
	if c.readGate.TryLock() {
		go c.runBackground() // the Conn's own: it ends when a pull comes, credit is spent or the transport ends
	}
}

// startReader reads in the background, unless another goroutine reads already or there is no reason to. mu must not be
// held.
func (c *Conn) startBackground() {
	for c.readGate.TryLock() && !c.readInBackground() && c.background.requested.Load() {
	}
}

// readInBackground hands the turn to read to a background reader if there is a reason to read, or else gives it up. mu
// must not be held.
func (c *Conn) readInBackground() bool {
	c.background.requested.Store(false)
	if c.mustInflate() || c.wantsInput() { // to inflate takes time, which is not the caller's
		go c.runBackground() // the Conn's own: it ends when a pull comes, credit is spent or the transport ends
		return true
	}
	c.tidy()
	c.releaseRead()
	return false
}

// readAhead is the background reader. It holds readGate, which whoever started it took.
func (c *Conn) runBackground() {
	c.background.requested.Store(false)
	for c.wantsInput() {
		c.readOnce(context.Background(), inBackground)
	}
	full := c.readWindow.Credit() <= 0
	c.tidy()
	c.releaseRead()
	if full && c.alive != nil {
		c.watchFull()
	}
	if c.background.requested.Load() {
		c.startBackground() // wake may have found the gate still held
	}
}

// letGo gives readGate up, and answers the calls that ask what was received. The caller then looks at due.
func (c *Conn) releaseRead() {
	c.readGate.Unlock()
	if c.reads.statsAsked.Load() != nil {
		c.answerStats()
	}
}

// wanted reports whether the input should be read although nobody pulls: it is dropped, or there is credit for
// it. It expects readGate to be held.
func (c *Conn) wantsInput() bool {
	c.dropUnwanted()
	c.account()
	if c.recv.breached {
		c.meetBreach() // nobody has pulled for a while, or answers no more
	}
	return !c.recv.eof && c.reads.waiting.Load() == 0 && (c.recv.in.sealed || c.reads.dropping.Load() || c.readWindow.Credit() > 0)
}

// tidy lets go of what the input needs no more.
func (c *Conn) tidy() {
	c.recv.in.trim()
	if c.compression.inflates() {
		c.freeInflater()
	}
}
