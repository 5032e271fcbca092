package stream

import (
	"context"
	"time"
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
	t.wait = func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(undated{ctx})
		defer cancel(nil)
		r.onCancel(func() { cancel(ErrClosed) })
		defer r.onCancel(nil)
		return l.Wait(ctx)
	}
	r.drop = func(error) { *t = throttled[T]{} }
	if t.src.into == nil {
		return r
	}
	return inlineInto[T]{r, t.nextInto}
}

type throttled[T any] struct {
	src  *source[T]
	wait func(context.Context) error
	held T // the chunk that waits
	has  bool
}

func (t *throttled[T]) next(ctx context.Context) (v T, err error) {
	err = t.nextInto(ctx, &v)
	return v, err
}

// nextInto is next into *v. A chunk that is held, and its memory, stay with t.
func (t *throttled[T]) nextInto(ctx context.Context, v *T) error {
	if !t.has {
		if err := t.src.PullInto(ctx, v); err != nil {
			return err
		}
		t.held, t.has = *v, true
	}
	if err := t.wait(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return asFailure(err)
	}
	var none T
	*v, t.held, t.has = t.held, none, false
	return nil
}

// An undated context ends when another does, and has no deadline.
type undated struct{ context.Context }

func (undated) Deadline() (deadline time.Time, ok bool) { return deadline, false }
