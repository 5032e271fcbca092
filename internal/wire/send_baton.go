package wire

// wantsBatonLocked reports whether a Write of p should take the baton from a flusher that waits.
// That helps if p has credit, can be lent, and would have to wait in any case.
func (c *Conn) wantsBatonLocked(p *piece) bool {
	return c.send.stall != nil && c.mustWaitLocked(p)
}

// mustWaitLocked is the rest of wantsBatonLocked, which is small enough to be inlined.
func (c *Conn) mustWaitLocked(p *piece) bool {
	s := c.send.stalled()
	return s.kind == inBackground && !s.claimed && p.ctx != nil && c.lends(p) &&
		!(c.send.framer.single(p) && c.writeWindow.Credit() >= 0)
}

// takeBatonRelocks takes the baton from the flusher if that helps. The caller has the turn to
// write. It must then send, or start a flusher.
func (c *Conn) takeBatonRelocks(p *piece) {
	if !c.wantsBatonLocked(p) {
		return
	}
	s := c.send.noteStall()
	s.claimed = true
	c.recallWriteLocked()
	c.mu.Unlock()
	<-s.handed
	c.mu.Lock()
}

// giveBatonLocked gives the baton to the Write that claims it.
func (c *Conn) giveBatonLocked() {
	if c.send.stalled().claimed {
		s := c.send.noteStall()
		s.claimed = false
		s.handed <- struct{}{}
	}
}
