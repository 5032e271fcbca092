package wire

// unlockRead gives up the turn to read. Somebody has to see pings and the peer's Close when nobody pulls, so
// the idle timer is armed, and where a Close is pending the reader goes on at once.
func (c *Conn) unlockRead() {
	c.pulls.Add(1)
	c.readGate.Unlock()
	if c.closing.Load() {
		c.startReader()
	} else if !c.idleArmed.Load() && c.idleArmed.CompareAndSwap(false, true) {
		c.idleSeen = c.pulls.Load()
		c.idle.Reset(idleWait)
	}
}

// idled starts the reader if nobody has pulled since the timer was armed.
func (c *Conn) idled() {
	if n := c.pulls.Load(); n != c.idleSeen {
		c.idleSeen = n
		c.idle.Reset(idleWait)
		return
	}
	c.idleArmed.Store(false)
	c.startReader()
}

// startReader reads in the background, unless somebody reads already or there is no reason to.
func (c *Conn) startReader() {
	if !c.readGate.TryLock() {
		return
	}
	if !c.wanted() {
		c.readGate.Unlock()
		return
	}
	go c.readAhead() // the Conn's own: it ends when a pull comes, credit is spent or the transport ends
}

func (c *Conn) readAhead() {
	for c.wanted() {
		c.fill(nil)
	}
	c.readGate.Unlock()
	if c.closing.Load() || c.dropping.Load() {
		c.startReader() // whoever decided on it may have found the gate still held
	}
}

// wanted reports whether the input should be read although nobody pulls: it is dropped, or there is credit for
// it. It expects readGate to be held.
func (c *Conn) wanted() bool {
	c.drop()
	return !c.eof && c.waiting.Load() == 0 && (c.in.sealed || c.dropping.Load() || c.readWindow.Credit() > 0)
}
