package wire

import (
	"time"
)

// checkLostWithin makes sure that a connection which the poller says is lost ends, although its
// window is full and no call reads. What has come can still be pulled. turns is what receiver.turns
// was when a call last read.
func (c *Conn) checkLostWithin(turns uint32) {
	time.AfterFunc(lostWait, func() { c.checkLost(turns) })
}

// checkLost ends the connection if its transport has an error, and no call has read for lostWait.
// The bytes in the kernel's buffer are lost then. So the connection does not end while calls read,
// however slowly: they come to the error themselves.
func (c *Conn) checkLost(turns uint32) {
	if !c.readGate.TryLock() {
		return
	}
	now := c.recv.turns
	full := !c.wantsInput() && !c.recv.eof
	c.releaseRead()
	c.readIfRequested()
	switch {
	case !full:
		c.startBackground()
	case now != turns:
		c.checkLostWithin(now)
	default:
		if err := socketError(c.nc); err != nil {
			c.inputFailed(err)
		}
	}
}
