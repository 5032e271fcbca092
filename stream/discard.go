package stream

import (
	"cmp"
	"context"
	"io"
	"sync"

	"github.com/wsstream/wsstream/internal/latch"
)

// Discard returns a [Writable] that drops each chunk. It never waits, and keeps nothing of a chunk.
func Discard[T any]() Writable[T] { return new(discard[T]) }

type discard[T any] struct {
	done latch.Latch // closed when end is set
	mu   sync.Mutex  // held to set end
	end  error
}

// Write drops v.
func (d *discard[T]) Write(ctx context.Context, _ T) error { return d.Ready(ctx) }

// TryWrite drops v.
func (d *discard[T]) TryWrite(T) (bool, error) {
	if d.done.Closed() {
		return false, d.end
	}
	return true, nil
}

// Ready returns the error of the end, and never waits.
func (d *discard[T]) Ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case d.done.Closed():
		return d.end
	}
	return nil
}

// Done returns a channel that is closed when the stream has ended.
func (d *discard[T]) Done() <-chan struct{} { return d.done.Done() }

// Borrows reports that Write keeps nothing.
func (d *discard[T]) Borrows() bool { return true }

// Close ends the stream.
func (d *discard[T]) Close(ctx context.Context) error {
	if err := d.Fail(ctx, ErrClosed); err != nil {
		return err
	}
	return closeResult(io.EOF, d.end)
}

// Fail ends the stream, too.
func (d *discard[T]) Fail(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return d.Abort(cause)
}

// Abort ends the stream.
func (d *discard[T]) Abort(cause error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done.Closed() {
		d.end = cmp.Or(cause, ErrClosed)
		d.done.Close()
	}
	return nil
}
