package stream

import (
	"context"
	"errors"

	"github.com/wsstream/wsstream/internal/gate"
)

// MapWriter returns a Writable that writes to dst what f makes of each chunk. f is never called at once, and runs on
// the writer's goroutine, when its turn has come.
//
// If f returns Skip, Write returns nil and nothing is written. Any other error of f's is an error of that Write:
// nothing is written, and the stream is as it was (Pipe then aborts it). A panic of f reaches the caller of Write, and
// nothing was written. Close and Abort are dst's; so is the end, and its error. MapWriter panics if f is nil.
func MapWriter[In, Out any](dst Writable[Out], f func(In) (Out, error)) Writable[In] {
	mustFunc(f == nil, "MapWriter")
	if dst == nil {
		panic("stream: nil Writable")
	}
	return &mapWriter[In, Out]{dst: dst, f: f, ready: readyOf(dst), gate: gate.New(nil)}
}

type mapWriter[In, Out any] struct {
	dst   Writable[Out]
	f     func(In) (Out, error)
	ready func(context.Context) error
	gate  *gate.Gate
}

// Write writes what f makes of v.
func (w *mapWriter[In, Out]) Write(ctx context.Context, v In) error {
	if ctx.Err() != nil || !w.gate.Lock(ctx) {
		return context.Cause(ctx)
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
func (w *mapWriter[In, Out]) Close(ctx context.Context) error {
	if ctx.Err() != nil || !w.gate.Lock(ctx) {
		return context.Cause(ctx)
	}
	defer w.gate.Unlock()
	return w.dst.Close(ctx)
}

// Abort aborts dst, which ends a Write that waits.
func (w *mapWriter[In, Out]) Abort(cause error) error { return w.dst.Abort(cause) }
