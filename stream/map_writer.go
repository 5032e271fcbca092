package stream

import (
	"cmp"
	"context"
	"errors"

	"github.com/wsstream/wsstream/internal/gate"
)

// MapWriter returns a [Writable]. For each chunk that is written, it writes the result of f to dst.
// It calls f on the goroutine that writes, when its turn has come, and never concurrently.
//
// If f returns [Skip], Write returns nil and nothing is written. Any other error of f is an error
// of that Write: nothing is written, and the stream is as it was ([Pipe] then aborts it). A panic
// of f reaches the caller of Write, and nothing is written. MapWriter panics if f is nil.
//
// Close, Fail and Abort are those of dst, and so are Ready, Done, Flush and TryWrite where dst has
// them. The stream ends with dst, with the same error. If dst refuses a TryWrite, or the context of
// a Write ends, f runs again when that chunk is written again.
func MapWriter[In, Out any](dst Writable[Out], f func(In) (Out, error)) Writable[In] {
	mustFunc(f == nil, "MapWriter")
	return mapWriterOf(dst, f, false)
}

// mapWriterOf is MapWriter. The result borrows if f keeps nothing of a chunk, nor refers to it in
// its result.
func mapWriterOf[In, Out any](
	dst Writable[Out], f func(In) (Out, error), borrows bool,
) Writable[In] {
	if dst == nil {
		panic("stream: nil Writable")
	}
	w := &mapWriter[In, Out]{
		dst:     dst,
		f:       f,
		borrows: borrows,
		ready:   readyOf(dst),
		gate:    gate.New(doneOf(dst)),
	}
	if t, ok := dst.(TryWriter[Out]); ok {
		return &tryMapWriter[In, Out]{w, t}
	}
	return w
}

type mapWriter[In, Out any] struct {
	dst     Writable[Out]
	f       func(In) (Out, error)
	borrows bool
	ready   func(context.Context) error
	gate    *gate.Gate // to call f; its waits end with dst
}

// Write writes the result of f for v.
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

// Ready waits until dst has room, if dst can tell.
func (w *mapWriter[In, Out]) Ready(ctx context.Context) error { return w.ready(ctx) }

// Done returns that of dst, which may be nil.
func (w *mapWriter[In, Out]) Done() <-chan struct{} { return doneOf(w.dst) }

// Flush flushes dst, if dst has a Flush.
func (w *mapWriter[In, Out]) Flush(ctx context.Context) error { return flush(ctx, w.dst) }

// Borrows reports whether Write keeps nothing of a chunk.
func (w *mapWriter[In, Out]) Borrows() bool { return w.borrows }

// Close takes its turn and closes dst.
func (w *mapWriter[In, Out]) Close(ctx context.Context) error { return w.inTurn(ctx, w.dst.Close) }

// Fail takes its turn and fails dst, or aborts it if it has no Fail.
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

// endOr returns the cause of the end of ctx. If ctx has not ended, dst has: its Ready no longer
// waits, and endOr returns the error of that.
func (w *mapWriter[In, Out]) endOr(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return cmp.Or(w.ready(ctx), ErrClosed)
}

// Abort aborts dst, which ends a Write that waits.
func (w *mapWriter[In, Out]) Abort(cause error) error { return w.dst.Abort(cause) }

// A tryMapWriter is a mapWriter on a TryWriter.
type tryMapWriter[In, Out any] struct {
	*mapWriter[In, Out]
	try TryWriter[Out]
}

// TryWrite writes the result of f for v, if dst takes it without waiting and no Write is in
// progress.
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
