// Package lasting has contexts that end with their owner, a connection. Some calls with such a
// context must continue after that end, because messages are left in the connection's stream. It
// also has contexts without a deadline.
package lasting

import (
	"context"
	"time"
)

// An Owner is a connection whose end ends a context.
type Owner interface {
	// Owns reports whether ctx, which has ended, did so because the Owner has ended.
	Owns(ctx context.Context) bool
}

type key struct{}

// With returns ctx as a context that ends with o.
func With(ctx context.Context, o Owner) context.Context { return context.WithValue(ctx, key{}, o) }

// For returns a context for a call that is made with ctx. That is ctx itself, unless ctx, or a
// context that it was made from, ends with an Owner. Then it is a context that the end of the Owner
// does not end. It ends when ctx ends for another reason, and at the deadline of ctx. The caller
// calls stop when the call is over.
func For(ctx context.Context) (call context.Context, stop func()) {
	o, ok := ctx.Value(key{}).(Owner)
	if !ok {
		return ctx, func() {}
	}
	call, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() { // ends with stop, or at the deadline
		if !o.Owns(ctx) {
			cancel(context.Cause(ctx))
			return
		}
		at, ok := ctx.Deadline()
		if !ok {
			return
		}
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		select {
		case <-t.C:
			cancel(context.DeadlineExceeded)
		case <-done:
		}
	})
	if ctx.Err() != nil && !o.Owns(ctx) {
		cancel(context.Cause(ctx)) // now, not when AfterFunc has started its goroutine
	}
	return call, func() {
		unwatch()
		close(done)
		cancel(nil)
	}
}
