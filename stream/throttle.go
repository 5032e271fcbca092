package stream

import (
	"context"
	"time"
)

// Throttle delivers the chunks of src at the pace of l, whose Wait it calls once for each, when it has come; a
// *rate.Limiter of golang.org/x/time/rate is one, and may be shared by several streams.
//
// It holds one chunk, for which it waits: a Pull whose ctx ends leaves it for the next. Wait gets a context without a
// deadline, which ends with that of the Pull or with Cancel; so a limiter can't refuse for the deadline's sake, and an
// error of Wait's before that ends the stream, and src is cancelled with it. Cancel drops the chunk and cancels src.
// Throttle panics if l is nil.
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
	return r
}

type throttled[T any] struct {
	src  *source[T]
	wait func(context.Context) error
	held T // the chunk whose time has not come
	has  bool
}

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

// An undated context ends when another does, and tells nobody beforehand.
type undated struct{ context.Context }

func (undated) Deadline() (deadline time.Time, ok bool) { return deadline, false }
