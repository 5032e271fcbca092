package wsstream

import (
	"io"

	"github.com/wsstream/wsstream/internal/wire"
)

// An outcome is how a connection has ended.
type outcome struct {
	info CloseInfo // of Closed, as the next one
	err  error
	end  error // what pulls end with: io.EOF, or an error
}

// cause returns the end as the cause of a context.
func (o *outcome) cause() error {
	if o.end == io.EOF {
		return &Error{CloseInfo: o.info, Err: ErrClosed}
	}
	return o.end
}

// An owner is the Conn as its engine knows it.
type owner Conn

// Ended notes the end. The engine is locked. Where there is an observer, a goroutine tells it, for that one call: its
// hooks may be slow, and may call the Conn.
func (o *owner) Ended(info wire.CloseInfo, err, end error) {
	c, out := (*Conn)(o), &outcome{CloseInfo(info), err, end}
	if c.seen != nil {
		go c.seen.end(c, out) // the observer's: it ends when all that look on have been told
		return
	}
	c.close(out)
}

func (c *Conn) close(end *outcome) {
	c.mu.Lock()
	c.end = end
	c.closed.settled(end.info, end.err)
	c.mu.Unlock()
	c.gone(end)
}

// gone does what is to be done once Closed is settled. The engine's lock may be held.
func (c *Conn) gone(end *outcome) {
	c.mu.Lock()
	ending := c.ending
	c.mu.Unlock()
	if ending != nil {
		ending.end(end.cause())
	}
	if c.acceptor != nil {
		c.acceptor.leave(c)
	}
}
