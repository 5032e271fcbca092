package wire

import (
	"context"
	"io"
)

// endOf returns how the connection has ended for pulls, and what all else follows: io.EOF where the peer said that it was
// done, or where the program had decided to close and the peer agreed. It is called once the end is decided but for what
// the transport still takes, and expects mu to be held, as all below do.
func (c *Conn) outcomeLocked() error {
	e := c.end.facts()
	switch {
	case e.err != nil:
		return e.err
	case e.by == byLibrary:
		return e.away
	case e.by == byPeer && e.tornMessage:
		return c.codedLocked(io.ErrUnexpectedEOF)
	case meansDone(e.peerClose.Code), e.by == byProgram && e.peerClose.Code == e.ourClose.Code:
		return io.EOF
	case e.tornMessage:
		return c.codedLocked(io.ErrUnexpectedEOF)
	}
	return c.codedLocked(nil)
}

// isPlain reports whether code says that the peer is done: normal closure, or no code at all.
func meansDone(code int) bool { return code == CodeNormal || code == CodeNone }

// coded returns the error of an end in order whose code is the peer's. It is made once.
func (c *Conn) codedLocked(cause error) error {
	if c.end.facts().codedOnce == nil {
		c.end.facts().codedOnce = c.errs.Coded(*c.end.facts().peerClose, cause)
	}
	return c.end.facts().codedOnce
}

// closedBy returns the end of the writable that goes with an end of pulls.
func (c *Conn) writableEnd(end error) error {
	if end == io.EOF {
		return c.errs.Closed
	}
	return end
}

// endStreams ends both streams with the connection, but for what has ended before.
func (c *Conn) endStreamsLocked() {
	end := c.outcomeLocked()
	c.endReadLocked(end)
	c.endWriteLocked(c.writableEnd(end))
}

// End returns how the connection ended, once Done is closed: nil where pulls end with io.EOF.
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

// causeOf returns the cause of the end of ctx, nil if it has not ended. A context that has ended because this Conn did
// ends no call on it: the call finds what is left, and the end.
func (c *Conn) causeOf(ctx context.Context) error {
	if ctx.Err() == nil || c.owner.Owns(ctx) {
		return nil
	}
	return context.Cause(ctx)
}
