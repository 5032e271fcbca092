package stream

import (
	"context"
	"sync"

	"github.com/wsstream/wsstream/internal/latch"
)

// A Future is a value or an error that is settled once. All methods may be called concurrently.
type Future[T any] struct {
	done  latch.Latch // closed when value and err are set
	mu    sync.Mutex  // held to set them
	value T
	err   error
}

// NewFuture returns a Future, and the function that settles it. The first call of settle counts,
// and returns true. Later calls change nothing and return false.
func NewFuture[T any]() (f *Future[T], settle func(T, error) bool) {
	f = new(Future[T])
	return f, f.settle
}

func (f *Future[T]) settle(v T, err error) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done.Closed() {
		return false
	}
	f.value, f.err = v, err
	return f.done.Close()
}

// Done returns a channel that is closed when the Future is settled.
func (f *Future[T]) Done() <-chan struct{} { return f.done.Done() }

// Wait waits until the Future is settled, and returns its value and error. If ctx ends first, or
// had ended before the call, Wait returns context.Cause(ctx). That ends the wait alone.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, context.Cause(ctx)
	}
	if f.done.Closed() {
		return f.value, f.err
	}
	select {
	case <-f.done.Done():
		return f.value, f.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// Peek returns the value and the error if the Future is settled. It never waits.
//
//nolint:revive // the error belongs to the value; settled is about both
func (f *Future[T]) Peek() (v T, err error, settled bool) {
	if !f.done.Closed() {
		return v, nil, false
	}
	return f.value, f.err, true
}
