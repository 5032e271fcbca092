package wsstream

import (
	"context"

	"github.com/wsstream/wsstream/internal/lasting"
)

// An ending is a context that ends with a connection.
type ending struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// Context returns a context that ends when Closed settles. Use it for work that makes no sense
// after the end of the connection. Each call returns the same context. It has no values, and needs
// no goroutine.
//
// Its cause is the *Error that a Pull returns at the end. If a Pull returns io.EOF, the cause is an
// *Error with the peer's code and reason, whose Err is ErrClosed. CloseCode returns the code of
// both.
//
// Calls on the Conn itself, its streams and its NetConn may use this context, and contexts made
// from it. Such a context may have ended because the Conn has. Then a Pull still returns the
// messages that are left, and then the end. All other calls return the end. stream.Pipe, Join and
// All, too, continue until the stream has ended. Only the Wait of a future returns the cause.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		ctx, end := context.WithCancelCause(context.Background())
		ctx = lasting.With(ctx, (*owner)(c))
		if c.end != nil {
			end(c.end.cause())
		}
		c.ending = &ending{ctx, end}
	}
	return c.ending.ctx
}

// Owns reports whether ctx, which has ended, did so because the Conn has ended.
func (o *owner) Owns(ctx context.Context) bool {
	c := (*Conn)(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		return false
	}
	end, ended := context.Cause(c.ending.ctx).(*Error)
	cause, ok := context.Cause(ctx).(*Error)
	return ended && ok && cause == end
}
