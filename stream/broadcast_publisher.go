package stream

import (
	"cmp"
	"context"
	"io"

	"github.com/wsstream/wsstream/internal/gate"
)

// Publisher returns a [Writable] that publishes to the Broadcast. Its Close, Fail and Abort end the
// publisher alone. So several sources can be piped to one Broadcast, each to a publisher of its
// own. When the Broadcast ends, its publishers end with the same error.
//
// Its Ready waits until a Publish need not wait for a subscriber. End a publisher that is no longer
// used: the Broadcast refers to it until then.
func (b *Broadcast[T]) Publisher() Writable[T] {
	p := &publisher[T]{b: b}
	p.ctx, p.end = context.WithCancelCause(b.ctx)
	p.gate = gate.New(p.ctx.Done())
	return p
}

type publisher[T any] struct {
	b    *Broadcast[T]
	ctx  context.Context // ends with the publisher; its cause is the error of Writes
	end  context.CancelCauseFunc
	gate *gate.Gate // to write, and to end behind a Write
}

// Write publishes v.
func (p *publisher[T]) Write(ctx context.Context, v T) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.gate.Unlock()
	if p.b.blocked.Load() == 0 {
		return p.b.Publish(ctx, v) // does not wait for a subscriber
	}
	return p.within(ctx, func(ctx context.Context) error { return p.b.Publish(ctx, v) })
}

// lock waits for the gate. It fails if ctx or the publisher ends first.
func (p *publisher[T]) lock(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.ctx.Err() != nil:
		return context.Cause(p.ctx)
	case !p.gate.Lock(ctx):
		return cmp.Or(context.Cause(p.ctx), context.Cause(ctx))
	case p.ctx.Err() != nil: // the last holder has ended it
		p.gate.Unlock()
		return context.Cause(p.ctx)
	}
	return nil
}

// TryWrite publishes v, if that needs no waiting.
func (p *publisher[T]) TryWrite(v T) (bool, error) {
	if !p.gate.TryLock() {
		return false, context.Cause(p.ctx)
	}
	defer p.gate.Unlock()
	if p.ctx.Err() != nil {
		return false, context.Cause(p.ctx)
	}
	return p.b.tryPublish(v)
}

// Ready waits until a Write need not wait.
func (p *publisher[T]) Ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.ctx.Err() != nil:
		return context.Cause(p.ctx)
	case p.b.blocked.Load() == 0:
		return nil
	}
	return p.within(ctx, p.b.ready)
}

// within calls f with a context that ends with ctx and with the publisher.
func (p *publisher[T]) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.ctx, func() { cancel(context.Cause(p.ctx)) })
	defer stop()
	return f(ctx)
}

// Done returns a channel that is closed when the publisher or the Broadcast has ended.
func (p *publisher[T]) Done() <-chan struct{} { return p.ctx.Done() }

// Close takes its turn and ends the publisher.
func (p *publisher[T]) Close(ctx context.Context) error {
	if err := p.Fail(ctx, ErrClosed); err != nil {
		return err
	}
	return closeResult(io.EOF, context.Cause(p.ctx))
}

// Fail takes its turn and ends the publisher. Subscribers do not see the cause.
func (p *publisher[T]) Fail(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p.gate.Lock(ctx) {
		defer p.gate.Unlock()
		return p.Abort(cause)
	}
	if p.ctx.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// Abort ends the publisher.
func (p *publisher[T]) Abort(cause error) error {
	p.end(cmp.Or(cause, ErrClosed))
	return nil
}
