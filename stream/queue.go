package stream

import (
	"cmp"
	"context"
	"io"
	"sync"
)

// A Queue is a Writable and a Readable joined by a strategy: what is written to it can be pulled from it, in order,
// and the writer waits while the queue holds its mark. It is the identity transform, and the bounded buffer between
// two goroutines. The memory it holds is what its strategy allows.
//
// All methods may be called at once. Writes are served in the order they came, and so are pulls. Once a chunk is
// accepted it is the puller's; the Queue does not look into it.
//
// The first of Close, Fail, Abort and Cancel ends the Queue:
//
//	            Pull                               Write
//	Close       what is held, then io.EOF          ErrClosed
//	Fail(e)     what is held, then e               e
//	Abort(e)    e; what is held is dropped         e
//	Cancel(e)   io.EOF; what is held is dropped    e
//
// where a nil e stands for ErrClosed. A Size that returns a negative number is Fail, with an error that names it.
// Nothing in a Queue runs by itself: one that is forgotten is garbage.
// Streams Standard, 6.1.
type Queue[T any] struct {
	strategy Strategy[T]   // immutable
	done     chan struct{} // closed when the end is decided

	mu      sync.Mutex
	held    ring[T]    // guarded by mu, as all below
	size    uint64     // of what is held; less than the mark and one chunk, so that it can't overflow
	writers waiters[T] // empty while there is room
	pullers waiters[T] // empty while something is held
	ended   bool
	readEnd error      // what Pull returns once nothing is held; valid once ended
	cause   error      // what Write returns; valid once ended
	free    *waiter[T] // spare waiters, linked by next: a call that waits allocates nothing in the long run
}

var _ interface {
	Readable[int]
	Writable[int]
} = (*Queue[int])(nil)

// NewQueue returns an open Queue that holds n chunks.
func NewQueue[T any](n Count) *Queue[T] { return NewQueueOf(strategyOf[T](n)) }

// NewQueueOf returns an open Queue that holds what s allows.
func NewQueueOf[T any](s Strategy[T]) *Queue[T] {
	return &Queue[T]{strategy: s, done: make(chan struct{})}
}

// Pull waits for the next chunk and takes it. After the end, and what is held before it, Pull returns io.EOF if the
// Queue was closed or cancelled, else the error it failed with. It allocates nothing in the long run.
func (q *Queue[T]) Pull(ctx context.Context) (v T, err error) {
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	q.mu.Lock()
	if q.held.n > 0 {
		v = q.popLocked()
		if q.writers.first != nil {
			q.settleLocked()
		}
		q.mu.Unlock()
		return v, nil
	}
	if q.ended {
		defer q.mu.Unlock()
		return v, q.readEnd
	}
	w := q.waiterLocked(waitPull)
	q.pullers.push(w)
	q.settleLocked()
	q.mu.Unlock()
	return q.wait(ctx, w)
}

// Write waits its turn until there is room for v, or a Pull waits for it, and returns when v is accepted. Once the
// Queue has ended it returns ErrClosed, or the cause of the end. It allocates nothing in the long run.
func (q *Queue[T]) Write(ctx context.Context, v T) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	size, err := q.strategy.of(v)
	if err != nil {
		return q.reject(err)
	}
	q.mu.Lock()
	if q.ended {
		defer q.mu.Unlock()
		return q.cause
	}
	if q.roomLocked() {
		q.acceptLocked(v, size)
		q.mu.Unlock()
		return nil
	}
	w := q.waiterLocked(waitWrite)
	w.v, w.size = v, size
	return q.waitTurnUnlocks(ctx, w)
}

// TryWrite writes v if that needs no waiting. It reports false if the Queue is full or a Write waits its turn, and
// fails as Write does after the end.
func (q *Queue[T]) TryWrite(v T) (bool, error) {
	size, err := q.strategy.of(v)
	if err != nil {
		return false, q.reject(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false, q.cause
	}
	if !q.roomLocked() {
		return false, nil
	}
	q.acceptLocked(v, size)
	return true, nil
}

// Ready waits its turn until there is room for a chunk, or a Pull waits for one, and takes none of it: another may
// be faster, so loop over TryWrite and Ready. After the end it returns what Write does.
func (q *Queue[T]) Ready(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	q.mu.Lock()
	if q.ended {
		defer q.mu.Unlock()
		return q.cause
	}
	if q.roomLocked() {
		q.mu.Unlock()
		return nil
	}
	return q.waitTurnUnlocks(ctx, q.waiterLocked(waitReady))
}

// DesiredSize is the mark less the size of what is held: zero or less says that a Write waits, unless a Pull waits
// for its chunk. It is negative while the last chunk accepted goes beyond the mark, and 0 after the end.
func (q *Queue[T]) DesiredSize() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0
	}
	if mark := q.mark(); q.size <= mark {
		return int(mark - q.size)
	}
	return -int(q.size - q.mark())
}

// Done is closed when the end is decided: Writes fail from then on. What is held may still be pulled, and no Pull
// waits any more.
func (q *Queue[T]) Done() <-chan struct{} { return q.done }

// Close takes its turn behind the Writes that wait, and ends the Queue. It does not wait until what is held is
// pulled. If ctx ends first it returns its cause and has closed nothing. Once the Queue has ended, Close returns nil
// if it was closed, else the cause of the end.
func (q *Queue[T]) Close(ctx context.Context) error { return q.finish(ctx, nil) }

// Fail is Close with an error: it takes its turn behind the Writes that wait, and pulls get what is held before
// they get cause, ErrClosed if it is nil. It returns nil unless ctx ended first.
func (q *Queue[T]) Fail(ctx context.Context, cause error) error {
	cause = cmp.Or(cause, ErrClosed)
	if err := q.finish(ctx, cause); ctx.Err() != nil {
		return err
	}
	return nil
}

// Abort ends the Queue at once: what is held is dropped, and pulls and Writes fail with cause, ErrClosed if it is
// nil, those that wait too. It returns nil; after the end it changes nothing.
func (q *Queue[T]) Abort(cause error) error {
	cause = cmp.Or(cause, ErrClosed)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ended {
		q.held.drop()
		q.endLocked(cause, cause)
	}
	return nil
}

// Cancel says that nobody wants the rest: what is held is dropped, pulls return io.EOF and Writes fail with cause,
// ErrClosed if it is nil, those that wait too. It returns nil. After the end it drops what is still held.
func (q *Queue[T]) Cancel(cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held.drop()
	if !q.ended {
		q.endLocked(io.EOF, cmp.Or(cause, ErrClosed))
	}
	return nil
}
