package stream

import (
	"cmp"
	"context"
	"io"
	"sync"

	"github.com/wsstream/wsstream/internal/gate"
	"github.com/wsstream/wsstream/internal/lasting"
)

// An inline is a Readable whose pulls run on the goroutine that pulls, one at a time, in the order
// they came. It has no goroutine. It does nothing except during a Pull or a Cancel.
type inline[T any] struct {
	// next makes the next chunk. Once it has returned an error while ctx had not ended, it is not
	// called again. If ctx had ended, next must be ready to go on. An error of the operator itself
	// is a failure.
	next func(ctx context.Context) (T, error)
	// cancel cancels the source. It may run concurrently with next, and next must then return soon.
	cancel func(cause error) error
	// drop runs once after Cancel, never concurrently with next. next is not called again. drop may
	// be nil.
	drop func(cause error)

	sourceDone <-chan struct{} // of the source; may be nil

	gate      *gate.Gate
	end       error         // what every later Pull returns; guarded by gate
	cancelled chan struct{} // closed by Cancel

	mu sync.Mutex
	// Guarded by mu.
	cause     error  // of Cancel
	owed      bool   // Cancel was called and drop has not run
	interrupt func() // set by onCancel
}

// A failure is an error of an operator itself. The operator's source is to be cancelled with it.
type failure struct{ error }

// cause returns the cause to cancel the source with: nil for an operator that ends well.
func (f failure) cause() error {
	if f.error == io.EOF {
		return nil
	}
	return f.error
}

func (r *inline[T]) init() *inline[T] {
	r.cancelled = make(chan struct{})
	r.gate = gate.New(r.cancelled)
	return r
}

// from returns an inline that pulls from src and from nothing else.
func from[In, Out any](src *source[In], next func(context.Context) (Out, error)) *inline[Out] {
	return (&inline[Out]{next: next, cancel: src.Cancel, sourceDone: src.Done()}).init()
}

// Done returns that of the source, which may be nil.
func (r *inline[T]) Done() <-chan struct{} { return r.sourceDone }

// Pull makes the next chunk.
func (r *inline[T]) Pull(ctx context.Context) (T, error) { return r.do(ctx, r.next) }

// do is Pull with another next.
func (r *inline[T]) do(
	ctx context.Context, next func(context.Context) (T, error),
) (v T, err error) {
	if ctx.Err() != nil {
		var stop func()
		ctx, stop = lasting.For(ctx) // a connection that ended it may have chunks left
		defer stop()
		if ctx.Err() != nil {
			return v, context.Cause(ctx)
		}
	}
	if !r.gate.Lock(ctx) {
		if isDone(r.cancelled) {
			return v, io.EOF
		}
		return v, context.Cause(ctx)
	}
	returned := false
	defer func() {
		if !returned { // a function panicked, and goes on to
			r.end = cmp.Or(r.end, errPanicked)
			_ = r.cancel(errPanicked)
		}
		r.leave()
	}()
	v, err = r.pull(ctx, next)
	returned = true
	return v, err
}

// pull makes the next chunk by next. The gate must be held.
func (r *inline[T]) pull(
	ctx context.Context, next func(context.Context) (T, error),
) (none T, err error) {
	if r.end != nil {
		return none, r.end
	}
	if isDone(r.cancelled) {
		return none, io.EOF
	}
	v, err := next(ctx)
	own, failed := err.(failure)
	switch {
	case isDone(r.cancelled):
		return none, io.EOF
	case failed:
		r.end = own.error
		_ = r.cancel(own.cause())
		return none, own.error
	case err != nil && err != io.EOF && ctx.Err() != nil: // the source returns its end again
		return none, context.Cause(ctx)
	case err != nil:
		r.end = err
		return none, err
	}
	return v, nil
}

// Cancel drops the chunks that are held, and cancels the source unless that has ended. All pulls
// return io.EOF.
func (r *inline[T]) Cancel(cause error) error {
	r.mu.Lock()
	if isDone(r.cancelled) {
		r.mu.Unlock()
		return nil
	}
	r.cause, r.owed = cause, r.drop != nil
	close(r.cancelled)
	if r.interrupt != nil {
		r.interrupt()
	}
	r.mu.Unlock()
	err := r.cancel(cause)
	if r.gate.TryLock() {
		r.leave()
	}
	return err
}

// onCancel makes Cancel call f, to end the wait of a next. f must not wait. With a nil f, Cancel
// calls nothing.
func (r *inline[T]) onCancel(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupt = f
	if f != nil && isDone(r.cancelled) {
		f()
	}
}

// leave unlocks the gate. The last goroutine to unlock it does the part of Cancel that is left.
func (r *inline[T]) leave() {
	for {
		r.mu.Lock()
		owed, cause := r.owed, r.cause
		r.owed = false
		r.mu.Unlock()
		r.gate.Unlock()
		if owed {
			r.drop(cause) // no next runs any more
			return
		}
		r.mu.Lock()
		owed = r.owed
		r.mu.Unlock()
		if !owed || !r.gate.TryLock() {
			return
		}
	}
}

// An inlineInto is an inline that passes PullInto on.
type inlineInto[T any] struct {
	*inline[T]
	into func(ctx context.Context, v *T) error // as next, into *v
}

// PullInto makes the next chunk in *v.
func (r inlineInto[T]) PullInto(ctx context.Context, v *T) (err error) {
	*v, err = r.do(ctx, func(ctx context.Context) (T, error) {
		err := r.into(ctx, v)
		return *v, err
	})
	return err
}
