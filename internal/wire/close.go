package wire

import (
	"context"
	"io"
)

// Close starts the closing handshake with info, and ends the writable in order: what was accepted
// is sent first. The first decision to close counts.
//
// RFC 6455, section 7.1.2.
func (c *Conn) Close(info CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endInOrderLocked(c.owner.Errors().Closed)
	c.closeRelocks(info, byProgram)
}

// Finish is Close, unless a close was decided before. If a Writer's message is open, Finish closes
// with unfinished instead of info.
func (c *Conn) Finish(info, unfinished CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.end.facts(); e.decided || e.over {
		return
	}
	if c.send.writerOpen {
		info = unfinished
	}
	c.endInOrderLocked(c.owner.Errors().Closed)
	c.closeRelocks(info, byProgram)
}

// GoAway closes in order because the library has decided so. rule is the reason, and the end of
// both streams, unless the program or the peer has decided to close before.
func (c *Conn) GoAway(info CloseInfo, rule error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.end.note(); e.away == nil && !e.decided && !e.over {
		e.away = c.owner.Errors().Coded(CloseInfo{Code: info.Code}, rule)
		c.endInOrderLocked(e.away)
	}
	c.closeRelocks(info, byLibrary)
}

// Cancel drops all input, also later input. Pulls return io.EOF immediately. The connection closes
// with info, unless a close was decided before.
func (c *Conn) Cancel(info CloseInfo) {
	c.flags.set(isDropping)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endReadLocked(io.EOF)
	c.endInOrderLocked(c.owner.Errors().Closed)
	c.closeRelocks(info, byProgram)
}

// Abort drops what was accepted and has not begun to leave, and fails the writers with cause. It
// closes with info, unless a close was decided before.
func (c *Conn) Abort(info CloseInfo, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endWriteLocked(cause)
	c.abortLocked()
	c.closeRelocks(info, byProgram)
}

// Discard drops all input from here on, as it comes.
func (c *Conn) Discard() {
	c.flags.set(isDropping)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recallReadLocked()
	c.requestReader()
}

// CloseWrite takes its turn behind the writes that wait, closes in order with info, and waits for
// the end. From its turn on writes fail with cause. It returns nil if pulls end with io.EOF. If an
// Abort or another CloseWrite has decided the writable's end before, it returns that.
func (c *Conn) CloseWrite(ctx context.Context, info CloseInfo, cause error) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	mine := false
	if c.writeGate.LockUntil(ctx, &c.end.streams.Write) {
		mine = c.closeWrite(info, cause)
		c.unlockWrite()
	}
	if dropped, err := c.writeDropped(); dropped {
		return err
	}
	select {
	case <-c.end.done.Done():
	case <-ctx.Done():
		if !c.end.done.Closed() {
			return context.Cause(ctx)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.end.facts(); e.failed && !mine {
		return e.write
	}
	return c.lastErrorLocked()
}

// closeWrite closes in order, and reports whether that has ended the writable.
func (c *Conn) closeWrite(info CloseInfo, cause error) (mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.end.facts().write
	c.endInOrderLocked(cause)
	if mine = before == nil && c.end.facts().write != nil; mine && cause != c.owner.Errors().Closed {
		c.end.note().failed = true
	}
	c.closeRelocks(info, byProgram)
	return mine
}

// writeDropped reports whether Abort has dropped what was accepted. Then no call needs to wait for
// the end of the connection. It also returns the writable's end.
func (c *Conn) writeDropped() (dropped bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.facts()
	return e.aborted && e.broken == nil && !e.failed, e.write
}

// closeRelocks decides to close, unless that was decided before.
func (c *Conn) closeRelocks(info CloseInfo, by party) {
	e := c.end.note()
	if e.by == undecided {
		e.by = by
	}
	begins := !e.decided && !e.over
	if begins {
		e.decided, e.ourClose = true, info
		c.flags.set(isClosing)
	}
	c.queueCloseLocked()
	c.sendRelocks()
	if begins && !e.over { // the answer to the peer's Close has mostly ended all
		c.hurryLocked()
	}
	c.requestReader()
}

// abortLocked drops what was accepted and has not begun to leave.
func (c *Conn) abortLocked() {
	e := c.end.note()
	if e.closeLeft || e.over {
		return
	}
	e.aborted = true
	c.flags.set(isFailing)
	c.dropUnbegunLocked()
	c.recallWriteLocked()
	c.notifyLocked()
}
