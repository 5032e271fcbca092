package wire

import "time"

// watchLost lets the poller report a lost connection.
func (c *Conn) watchLost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.end.facts().over {
		c.watchable.watchLost()
	}
}

// checkLostWithin makes sure that a lost connection ends, although its window is full and no call
// reads. The poller has said that the peer sends no more. What has come can still be pulled. turns
// is what receiver.turns was when a call last read.
func (c *Conn) checkLostWithin(turns uint32) {
	time.AfterFunc(lostWait, func() { c.checkLost(turns) })
}

// checkLost ends the connection if its transport has an error, and no call has read for lostWait.
// The bytes in the kernel's buffer are lost then. So the connection does not end while calls read,
// however slowly: they come to the error themselves.
func (c *Conn) checkLost(turns uint32) {
	c.flags.clear(isSuspect) // stopReading sets it again
	if !c.readGate.TryLock() {
		return
	}
	now := c.recv.turns
	full := !c.wantsInput() && !c.recv.eof
	c.leaveRead()
	switch {
	case !full || now != turns:
		c.startBackground()
	default:
		if err := socketError(c.nc); err != nil {
			c.inputFailed(err)
		}
	}
}
