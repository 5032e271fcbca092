package wsstream

import (
	"io"

	"github.com/wsstream/wsstream/internal/wire"
)

// An outcome is how a connection has ended.
type outcome struct {
	info CloseInfo // of Closed
	err  error     // of Closed
	end  error     // of pulls: io.EOF, or an error
}

// cause returns the end as the cause of a context.
func (o *outcome) cause() error {
	if o.end == io.EOF {
		return &Error{CloseInfo: o.info, Err: ErrClosed}
	}
	return o.end
}

// An owner is the Conn as its engine sees it.
type owner Conn

// Errors returns the errors of the library.
func (o *owner) Errors() *wire.Errors { return &engineErrors }

// Ended notes the end. The engine is locked. If there is an observer, a goroutine of its own
// reports the end to it: hooks may be slow, and may call the Conn.
func (o *owner) Ended(info wire.CloseInfo, err, end error) {
	c, out := (*Conn)(o), &outcome{CloseInfo(info), err, end}
	if c.seen != nil {
		go c.seen.end(c, out) // ends when the Logger, the Trace and the Meter have been told
		return
	}
	c.close(out)
}

// close ends the Conn. The engine's lock may be held.
func (c *Conn) close(end *outcome) {
	c.lockToEnd()
	defer c.unlockToEnd()
	c.endLocked(end)
}

// lockToEnd locks what the end of the Conn changes: the Acceptor, if there is one, and then the
// Conn. So a caller that knows that the Conn has ended does not find it in the Acceptor. A Shutdown
// that does not find the Conn returns after its end is settled.
func (c *Conn) lockToEnd() {
	if c.acceptor != nil {
		c.acceptor.mu.Lock()
	}
	c.mu.Lock()
}

func (c *Conn) unlockToEnd() {
	c.mu.Unlock()
	if c.acceptor != nil {
		c.acceptor.mu.Unlock()
	}
}

// endLocked settles Closed, ends the context of the Conn, and takes the Conn out of its Acceptor.
// The locks of lockToEnd are held.
func (c *Conn) endLocked(end *outcome) {
	c.end = end
	c.closed.settled(end.info, end.err)
	if c.ending != nil {
		c.ending.end(end.cause())
	}
	if c.acceptor != nil {
		c.acceptor.forgetLocked(c)
	}
}
