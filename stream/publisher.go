package stream

import (
	"cmp"
	"context"
)

// Publisher returns a Writable that publishes to the Broadcast. Its Close and Abort end only itself: so many may Pipe
// to one Broadcast, each to a Publisher of its own, and leave. Its Done is the Broadcast's, and so is the error of its
// Writes once that has ended.
func (b *Broadcast[T]) Publisher() Writable[T] {
	p := &publisher[T]{b: b}
	p.ctx, p.end = context.WithCancelCause(context.Background())
	return p
}

type publisher[T any] struct {
	b   *Broadcast[T]
	ctx context.Context // ends with Close and Abort
	end context.CancelCauseFunc
}

// Write publishes v.
func (p *publisher[T]) Write(ctx context.Context, v T) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.ctx.Err() != nil:
		return context.Cause(p.ctx)
	case p.b.blocked.Load() == 0: // it can't wait for long
		return p.b.Publish(ctx, v)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.ctx, func() { cancel(context.Cause(p.ctx)) })
	defer stop()
	return p.b.Publish(ctx, v)
}

// Done is closed when the Broadcast has ended.
func (p *publisher[T]) Done() <-chan struct{} { return p.b.Done() }

// Close ends the publisher; it need not wait, since what was accepted was given to all.
func (p *publisher[T]) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.end(ErrClosed)
	return nil
}

// Abort ends the publisher.
func (p *publisher[T]) Abort(cause error) error {
	p.end(cmp.Or(cause, ErrClosed))
	return nil
}
