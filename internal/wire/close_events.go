package wire

import (
	"crypto/tls"
	"fmt"
	"io"
)

// Each event of a connection's end notes what it knows, and calls settleLocked, which decides what
// follows. So the order of events does not matter.

// fail closes because the peer, or a message, broke a rule. If the end was decided before, it
// reports that, and returns the end.
//
// What was accepted is sent before our Close, because it answers messages that were valid. If it
// fills the window, all that has not begun to leave is dropped, so that our Close leaves soon. Both
// streams end with the peer's Close, the end of the transport, or CloseTimeout, whichever comes
// first. The transport is not closed now: the kernel could reset it, and our Close would never
// arrive.
func (c *Conn) fail(code int, rule error) (info CloseInfo, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.note()
	switch {
	case e.over:
		return e.info, true
	case e.closeLeft && e.peerClose != nil:
		return *e.peerClose, true
	}
	if e.broken == nil {
		e.broken = fmt.Errorf("%w; we closed with %d", rule, code)
		if c.send.encoding || c.writeWindow.Credit() <= 0 {
			c.abortLocked()
		}
		if !e.closeQueued {
			e.decided, e.ourClose = true, CloseInfo{Code: code, Reason: rule.Error()}
		}
		c.hurryLocked()
		c.queueCloseLocked()
		c.sendRelocks()
	}
	return info, false
}

// peerClosed notes the peer's Close. The engine answers it with the same code, behind all that was
// accepted. torn says that the Close came between two frames of a message.
//
// RFC 6455, section 5.5.1.
func (c *Conn) peerClosed(info CloseInfo, torn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.note()
	e.peerClose, e.torn = &info, torn
	e.emptied = c.recv.fetched && !c.recv.greedy && c.watchable != nil && c.watchable.takesAll()
	defer func() { e.emptied = false }() // from now on more may come
	answer := CloseInfo{Code: info.Code}
	if answer.Code == CodeNone {
		answer.Code = 0
	}
	c.closeRelocks(answer, byPeer)
	c.settleLocked()
}

// closeLeftLocked notes that the transport has taken our Close. After a broken rule it half-closes
// the transport, so that the peer sees the end of our output. The CloseWrite of TLS would write, so
// it is not called.
func (c *Conn) closeLeftLocked() {
	e := c.end.note()
	e.closeLeft = true
	_, secured := c.nc.(*tls.Conn)
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok && e.broken != nil && !secured {
		go func() { _ = h.CloseWrite() }() // the transport's: it ends when that returns
	}
	c.settleLocked()
}

// inputFailed notes that the transport gives no more.
func (c *Conn) inputFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // io.EOF is the error of an end in order
	}
	c.end.note().lost = err
	c.settleLocked()
}

// outputFailedLocked notes that the transport takes no more. The connection does not end yet. The
// peer's Close may still be on its way, and its code says more than the error of a write.
func (c *Conn) outputFailedLocked(err error) {
	e := c.end.note()
	if e.over || e.stuck != nil {
		return
	}
	e.unsent, e.stuck = c.owesLocked(), err
	c.flags.set(isFailing)
	c.notifyLocked()
	c.hurryLocked()
	c.requestReader()
	c.settleLocked()
}
