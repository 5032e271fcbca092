package stream

import (
	"cmp"
	"context"
	"sync/atomic"
)

// Discard returns a Writable that drops what it is given, and never waits. It keeps nothing of a chunk.
func Discard[T any]() Writable[T] { return new(discard[T]) }

type discard[T any] struct{ end atomic.Pointer[error] }

// Write drops v.
func (d *discard[T]) Write(ctx context.Context, _ T) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if end := d.end.Load(); end != nil {
		return *end
	}
	return nil
}

// Borrows reports that Write keeps nothing.
func (d *discard[T]) Borrows() bool { return true }

// Close ends the stream.
func (d *discard[T]) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_ = d.Abort(ErrClosed)
	if end := *d.end.Load(); end != ErrClosed {
		return end
	}
	return nil
}

// Abort ends the stream.
func (d *discard[T]) Abort(cause error) error {
	cause = cmp.Or(cause, ErrClosed)
	d.end.CompareAndSwap(nil, &cause)
	return nil
}
