package stream

import (
	"context"

	"github.com/wsstream/wsstream/internal/lasting"
)

// Throttle delivers the chunks of src at the pace of l. It calls l.Wait once for each chunk, when
// the chunk has come. A *rate.Limiter of golang.org/x/time/rate is such an l. Several streams may
// share one.
//
// Throttle holds the one chunk that waits: a Pull whose ctx ends leaves it for the next Pull. The
// context of Wait ends when the context of the Pull ends, or with Cancel. It has no deadline, so
// that a limiter cannot refuse because of a deadline. Any other error of Wait ends the stream, and
// cancels src. Cancel drops the chunk and cancels src. Throttle panics if l is nil. Each Wait costs
// the allocation of its context.
func Throttle[T any](src Readable[T], l interface {
	Wait(ctx context.Context) error
}) Readable[T] {
	mustFunc(l == nil, "Throttle")
	t := &throttled[T]{src: newSource(src)}
	r := from(t.src, t.next)
	r.sourceDone = nil // a Pull still waits for l when the end of src is decided
	t.wait = func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(lasting.Undated(ctx))
		defer cancel(nil)
		r.onCancel(func() { cancel(ErrClosed) })
		defer r.onCancel(nil)
		return l.Wait(ctx)
	}
	r.drop = func(error) { *t = throttled[T]{} }
	return r
}

type throttled[T any] struct {
	src  *source[T]
	wait func(context.Context) error
	held T // the chunk that waits
	has  bool
}

// next has no variant for PullInto: the chunk that waits would keep the memory of a caller that has
// left.
func (t *throttled[T]) next(ctx context.Context) (none T, err error) {
	if !t.has {
		if t.held, err = t.src.Pull(ctx); err != nil {
			return none, err
		}
		t.has = true
	}
	if err := t.wait(ctx); err != nil {
		if ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
		return none, asFailure(err)
	}
	v := t.held
	t.held, t.has = none, false
	return v, nil
}
