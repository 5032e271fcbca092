package wire

import "github.com/gobwas/ws"

// queueCloseLocked puts our Close into the outbox, once all that was accepted is in front of it.
func (c *Conn) queueCloseLocked() {
	e, s := c.end.facts(), &c.send
	if !e.decided || e.closeQueued || e.over || s.out.insideFrame() || s.encoding && !e.aborted {
		return
	}
	c.end.note().closeQueued = true
	var body [maxControl]byte
	f := s.framer.control(ws.OpClose, appendClose(body[:0], e.ourClose))
	f.closes = true
	s.out.push(f)
}

// dropUnbegunLocked drops what the transport has not begun.
func (c *Conn) dropUnbegunLocked() {
	out := &c.send.out
	c.writeWindow.Give(out.dropUnbegun())
	c.end.note().closeQueued = out.tail != nil && out.tail.closes
}

// owesLocked reports whether accepted output has not left yet. Output that Abort dropped does not
// count.
func (c *Conn) owesLocked() bool {
	return !c.end.facts().aborted && (c.send.out.held() > 0 || c.send.encoding)
}
