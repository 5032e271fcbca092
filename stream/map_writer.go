package stream

import (
	"cmp"
	"context"
	"errors"

	"github.com/wsstream/wsstream/internal/gate"
)

// MapWriter returns a Writable that writes to dst what f makes of each chunk. f is never called at once, and runs on
// the writer's goroutine, when its turn has come.
//
// If f returns Skip, Write returns nil and nothing is written. Any other error of f's is an error
// of that Write: nothing is written, and the stream is as it was (Pipe then aborts it). A panic of
// f reaches the caller of Write, and nothing was written. Close, Fail and Abort are dst's; so are
// Ready, Done and TryWrite where dst has them, and the end with its error. After a TryWrite that
// dst refuses, or a Write that its context ended, f runs again for that chunk if it is written
// again. MapWriter panics if f is nil.
func MapWriter[In, Out any](dst Writable[Out], f func(In) (Out, error)) Writable[In] {
	mustFunc(f == nil, "MapWriter")
	if dst == nil {
		panic("stream: nil Writable")
	}
	w := &mapWriter[In, Out]{dst: dst, f: f, ready: readyOf(dst), gate: gate.New(doneOf(dst))}
	if t, ok := dst.(tryWriter[Out]); ok {
		return &tryMapWriter[In, Out]{w, t}
	}
	return w
}

type mapWriter[In, Out any] struct {
	dst   Writable[Out]
	f     func(In) (Out, error)
	ready func(context.Context) error
	gate  *gate.Gate // to call f; its waits end with dst
}

// Write writes what f makes of v.
func (w *mapWriter[In, Out]) Write(ctx context.Context, v In) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !w.gate.Lock(ctx) {
		return w.endOr(ctx)
	}
	defer w.gate.Unlock()
	out, err := w.f(v)
	switch {
	case err == nil:
		return w.dst.Write(ctx, out)
	case errors.Is(err, Skip):
		return nil
	}
	return err
}

// Ready waits until dst has room, as far as it tells.
func (w *mapWriter[In, Out]) Ready(ctx context.Context) error { return w.ready(ctx) }

// Done is dst's, and may be nil.
func (w *mapWriter[In, Out]) Done() <-chan struct{} { return doneOf(w.dst) }

// Close takes its turn and closes dst.
func (w *mapWriter[In, Out]) Close(ctx context.Context) error { return w.inTurn(ctx, w.dst.Close) }

// Fail takes its turn and fails dst, or aborts it where it has no Fail.
func (w *mapWriter[In, Out]) Fail(ctx context.Context, cause error) error {
	return w.inTurn(ctx, func(ctx context.Context) error { return failIn(ctx, w.dst, cause) })
}

// inTurn ends dst once no Write is before it, or dst has ended by itself.
func (w *mapWriter[In, Out]) inTurn(ctx context.Context, end func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.gate.Lock(ctx) {
		defer w.gate.Unlock()
	} else if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return end(ctx)
}

// endOr returns the cause of ctx's end; if it has not ended, the error of dst's end, for which
// Ready waits no more.
func (w *mapWriter[In, Out]) endOr(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return cmp.Or(w.ready(ctx), ErrClosed)
}

// Abort aborts dst, which ends a Write that waits.
func (w *mapWriter[In, Out]) Abort(cause error) error { return w.dst.Abort(cause) }

// A tryWriter is a Writable that can write without waiting.
type tryWriter[T any] interface {
	TryWrite(v T) (bool, error)
}

// A tryMapWriter is a mapWriter on a Writable with a TryWrite.
type tryMapWriter[In, Out any] struct {
	*mapWriter[In, Out]
	try tryWriter[Out]
}

// TryWrite writes what f makes of v if dst takes it without waiting and no Write is in progress.
func (w *tryMapWriter[In, Out]) TryWrite(v In) (bool, error) {
	if isDone(w.Done()) {
		return false, w.endOr(context.Background())
	}
	if !w.gate.TryLock() {
		return false, nil
	}
	defer w.gate.Unlock()
	out, err := w.f(v)
	switch {
	case err == nil:
		return w.try.TryWrite(out)
	case errors.Is(err, Skip):
		return true, nil
	}
	return false, err
}
