package stream

import (
	"context"
	"errors"
	"io"
	"time"
)

// errDue ends the wait for more chunks of a batch.
var errDue = errors.New("stream: the batch is due")

// Batch gathers chunks of src. A batch is delivered when the sizes in it reach limit.Mark (it may go beyond it with
// its last chunk), when wait has passed since its first chunk was pulled, or when src ends: what was gathered comes
// before the end, of whatever kind. A batch is never empty; a wait of zero or less never passes, and with a Mark of
// one or less each chunk is a batch. The slice is the puller's.
//
// Batch pulls on the puller's goroutine, so that wait is looked at only while somebody pulls. A Pull whose ctx ends
// keeps what was gathered, and the time it is due, for the next. A negative size ends the stream, after the batch
// before it, and src is cancelled. Cancel drops what was gathered and cancels src.
func Batch[T any, L Limit[T]](src Readable[T], limit L, wait time.Duration) Readable[[]T] {
	b := &batching[T]{src: newSource(src), limit: strategyOf[T](limit), wait: wait}
	r := from(b.src, b.next)
	r.drop = func(error) { b.held = nil }
	return r
}

// batching is the state of a Batch.
type batching[T any] struct {
	src   *source[T]
	limit Strategy[T]
	wait  time.Duration

	held []T
	size uint64
	due  time.Time // when held is delivered, whatever is in it
	end  error     // comes after held
}

func (b *batching[T]) next(ctx context.Context) ([]T, error) {
	if len(b.held) == 0 && b.end == nil {
		v, err := b.src.Pull(ctx)
		if err != nil {
			return nil, err
		}
		b.add(v)
	}
	pctx := ctx
	if b.wait > 0 && !b.full() {
		var cancel context.CancelFunc
		pctx, cancel = context.WithDeadlineCause(ctx, b.due, errDue)
		defer cancel()
	}
	for !b.full() {
		v, err := b.src.Pull(pctx)
		switch {
		case err == nil:
			b.add(v)
		case err == io.EOF:
			b.end = err
		case ctx.Err() != nil:
			return nil, err
		case pctx.Err() != nil: // due; if src has failed just now it tells so again
			return b.take(), nil
		default:
			b.end = err
		}
	}
	if len(b.held) > 0 {
		return b.take(), nil
	}
	return nil, b.end
}

// full says that nothing more is gathered.
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

func (b *batching[T]) take() []T {
	batch := b.held
	b.held, b.size = nil, 0
	return batch
}

// Unbatch returns the elements of each chunk of src, in order. It holds one chunk of src, and Cancel drops it.
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
