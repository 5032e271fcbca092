package stream

import (
	"context"
	"sync"
)

// A Future is a value or an error that is settled once, some time. All methods may be called at once from any
// number of goroutines.
type Future[T any] struct {
	done  chan struct{} // closed when value and err are set
	value T
	err   error
}

// NewFuture returns a Future and the function that settles it. The first call of settle counts and reports
// true; later ones change nothing and report false.
func NewFuture[T any]() (f *Future[T], settle func(T, error) bool) {
	f = &Future[T]{done: make(chan struct{})}
	var once sync.Once
	return f, func(v T, err error) (first bool) {
		once.Do(func() {
			f.value, f.err, first = v, err, true
			close(f.done)
		})
		return first
	}
}

// Done returns a channel that is closed when the Future is settled.
func (f *Future[T]) Done() <-chan struct{} { return f.done }

// Wait waits until the Future is settled and returns its value and error. The end of ctx ends only the wait:
// Wait then returns context.Cause(ctx), and so does every call whose ctx had ended before.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, context.Cause(ctx)
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// Peek returns the value and error if the Future is settled, and never waits.
func (f *Future[T]) Peek() (v T, err error, settled bool) { //nolint:revive // the error belongs to the value; settled is about both
	select {
	case <-f.done:
		return f.value, f.err, true
	default:
		return v, nil, false
	}
}
