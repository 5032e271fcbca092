package wsstream

import (
	"context"
)

// An ending is a context that ends with a connection.
type ending struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// Context returns a context that ends when Closed settles, for what is done on behalf of the connection and is of no use
// after it. Its cause is the end: the error of Closed or, after a clean close, an *Error with the peer's code and
// reason whose Err is ErrClosed; CloseCode finds the code of both. It is the same at each call, carries no values
// and costs no goroutine.
//
// A call on the Conn itself does not need it, since it ends by itself. A Pull whose context it is does not return the
// messages that are left after the end.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		ctx, end := context.WithCancelCause(context.Background())
		if c.end != nil {
			end(cause(c.end.info, c.end.err))
		}
		c.ending = &ending{ctx, end}
	}
	return c.ending.ctx
}

// gone does what is to be done once Closed is settled. The engine's lock may be held.
func (c *Conn) gone(info CloseInfo, err error) {
	c.mu.Lock()
	ending := c.ending
	c.mu.Unlock()
	if ending != nil {
		ending.end(cause(info, err))
	}
	if c.acceptor != nil {
		c.acceptor.leave(c)
	}
}

// cause returns an end as the cause of a context.
func cause(info CloseInfo, err error) error {
	if err == nil {
		return &Error{CloseInfo: info, Err: ErrClosed}
	}
	return err
}
