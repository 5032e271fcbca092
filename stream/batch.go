package stream

import (
	"context"
	"errors"
	"io"
	"time"
)

// Batch gathers chunks of src. It delivers a batch when the first of these happens:
//
//   - The sizes of its chunks reach limit. With its last chunk a batch may exceed a [Strategy].
//   - The time wait has passed since its first chunk was pulled. If zero or negative, no limit.
//   - src ends. The chunks that were gathered come before the end, of whatever kind it is.
//
// A batch is never empty. With a limit of one or less each chunk is a batch. The slice belongs to
// the caller.
//
// Batch runs on the goroutine that pulls, so it checks wait only during a Pull. A Pull whose ctx
// ends leaves the chunks that were gathered, and their time, for the next Pull. A negative size
// ends the stream, behind the batch before it, and cancels src. Cancel drops the chunks that were
// gathered and cancels src.
//
// [BatchNow] gathers without waiting.
func Batch[T any, L Limit[T]](src Readable[T], limit L, wait time.Duration) Readable[[]T] {
	b := &batching[T]{src: newSource(src), limit: strategyOf[T](limit), wait: wait}
	return b.readable(b.next)
}

// BatchNow waits for one chunk of src, and gathers with it the chunks that are there already, up to
// limit. It does not wait for more chunks. So a slow source makes small batches, and a fast source
// makes large ones. For everything else it is [Batch].
//
// The chunks that are there are those that a Pull returns without waiting. From a [Queue] or a
// [Subscription], those are the chunks that it holds. From a connection, those are the messages
// that it has received with the first one.
func BatchNow[T any, L Limit[T]](src Readable[T], limit L) Readable[[]T] {
	b := &batching[T]{src: newSource(src), limit: strategyOf[T](limit)}
	return b.readable(b.nextNow)
}

// batching is the state of a Batch.
type batching[T any] struct {
	src   *source[T]
	limit Strategy[T]
	wait  time.Duration

	held []T
	size uint64
	due  time.Time // when held is delivered, full or not
	end  error     // comes after held
}

func (b *batching[T]) readable(next func(context.Context) ([]T, error)) Readable[[]T] {
	r := from(b.src, next)
	r.drop = func(error) { b.held = nil }
	return r
}

// errDue ends the wait for more chunks of a batch.
var errDue = errors.New("stream: the batch is due")

func (b *batching[T]) next(ctx context.Context) ([]T, error) {
	if err := b.first(ctx); err != nil {
		return nil, err
	}
	within := ctx
	if b.wait > 0 && !b.full() {
		var cancel context.CancelFunc
		within, cancel = context.WithDeadlineCause(ctx, b.due, errDue)
		defer cancel()
	}
	if err := b.gather(within); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return b.take()
}

func (b *batching[T]) nextNow(ctx context.Context) ([]T, error) {
	if err := b.first(ctx); err != nil {
		return nil, err
	}
	if !b.full() {
		now, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		_ = b.gather(instant{now, cancel})
	}
	return b.take()
}

// An instant is a context that ends as soon as a call asks for its Done, to wait. So a Pull with it
// returns a chunk that is there, and does not wait.
type instant struct {
	context.Context
	cancel context.CancelCauseFunc
}

func (i instant) Done() <-chan struct{} {
	i.cancel(errDue)
	return i.Context.Done()
}

// first waits for the first chunk of a batch.
func (b *batching[T]) first(ctx context.Context) error {
	if len(b.held) > 0 || b.end != nil {
		return nil
	}
	v, err := b.src.Pull(ctx)
	if err == nil {
		b.add(v)
	}
	return err
}

// gather pulls until the batch is full, or ctx ends, whose cause it then returns. If src has failed
// meanwhile, its next Pull says so again.
func (b *batching[T]) gather(ctx context.Context) error {
	for !b.full() {
		v, err := b.src.Pull(ctx)
		switch {
		case err == nil:
			b.add(v)
		case err != io.EOF && ctx.Err() != nil:
			return err
		default:
			b.end = err
		}
	}
	return nil
}

// full reports whether nothing more is gathered.
func (b *batching[T]) full() bool { return b.end != nil || b.size >= uint64(max(b.limit.Mark, 0)) }

func (b *batching[T]) add(v T) {
	size, err := b.limit.of(v)
	if err != nil {
		b.end = failure{err}
		return
	}
	if len(b.held) == 0 {
		b.due = time.Now().Add(b.wait)
	}
	b.held = append(b.held, v)
	b.size += size
}

// take returns the batch, or the end if nothing was gathered.
func (b *batching[T]) take() ([]T, error) {
	if len(b.held) == 0 {
		return nil, b.end
	}
	batch := b.held
	b.held, b.size = nil, 0
	return batch, nil
}

// Unbatch returns the elements of each chunk of src, in order. It holds one chunk of src, which
// Cancel drops.
func Unbatch[S ~[]T, T any](src Readable[S]) Readable[T] {
	s := newSource(src)
	var rest S
	r := from(s, func(ctx context.Context) (none T, err error) {
		for len(rest) == 0 {
			if rest, err = s.Pull(ctx); err != nil {
				return none, err
			}
		}
		v := rest[0]
		rest = rest[1:]
		return v, nil
	})
	r.drop = func(error) { rest = nil }
	return r
}
