package wire

import (
	"io"
)

// outcomeLocked returns the end of pulls. All other ends follow from it. It returns io.EOF if the
// peer said that it was done, or if the program had decided to close and the peer agreed. Before a
// call, the peer's Close has come, or e.err is set.
func (c *Conn) outcomeLocked() error {
	e := c.end.facts()
	switch {
	case e.err != nil:
		return e.err
	case e.by == byLibrary:
		return e.away
	case e.by == byPeer && e.torn:
		return c.codedLocked(io.ErrUnexpectedEOF)
	case meansDone(e.peerClose.Code), e.by == byProgram && e.peerClose.Code == e.ourClose.Code:
		return io.EOF
	case e.torn:
		return c.codedLocked(io.ErrUnexpectedEOF)
	}
	return c.codedLocked(nil)
}

// meansDone reports whether code says that the peer is done: normal closure, or no code.
func meansDone(code int) bool { return code == CodeNormal || code == CodeNone }

// codedLocked returns the error of an end in order, for a code of the peer that does not mean done.
// It makes the error once.
func (c *Conn) codedLocked(cause error) error {
	e := c.end.note()
	if e.coded == nil {
		e.coded = c.owner.Errors().Coded(*e.peerClose, cause)
	}
	return e.coded
}

// writableEnd returns the end of the writable that goes with an end of pulls.
func (c *Conn) writableEnd(end error) error {
	if end == io.EOF {
		return c.owner.Errors().Closed
	}
	return end
}

// End returns how the connection ended: nil if pulls end with io.EOF. It is called after
// Owner.Ended.
func (c *Conn) End() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErrorLocked()
}

func (c *Conn) lastErrorLocked() error {
	if end := c.outcomeLocked(); end != io.EOF {
		return end
	}
	return nil
}
