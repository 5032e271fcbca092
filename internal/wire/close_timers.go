package wire

import "time"

// hurryLocked starts the time that closing may take, and makes sure that the input is read
// meanwhile.
func (c *Conn) hurryLocked() {
	c.flags.set(isClosing)
	if e := c.end.note(); e.timer == nil && c.closeTimeout > 0 {
		e.timer = time.AfterFunc(c.closeTimeout, c.tooLate)
	}
}

// awaitDropLocked gives the server dropWait to drop the transport.
//
// RFC 6455, section 7.1.1.
func (c *Conn) awaitDropLocked() {
	e := c.end.note()
	if e.timer != nil {
		e.timer.Stop()
	}
	e.timer = time.AfterFunc(dropWait, c.tooLate)
	c.requestReader()
}

// tooLate notes that the time for closing is over.
func (c *Conn) tooLate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end.note().late = true
	c.settleLocked()
}
