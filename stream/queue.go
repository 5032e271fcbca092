package stream

import (
	"cmp"
	"context"
	"io"
	"sync"
)

// A Queue is a [Writable] and a [Readable] with a limit between them. Chunks that are written to it
// can be pulled from it, in order. A Write waits while the queue is full. Use it as the bounded
// buffer between two goroutines. It holds what its limit allows.
//
// All methods may be called concurrently. Writes are served in the order they came, and so are
// pulls. A chunk that was accepted belongs to the caller that pulls it: the Queue does not look
// into it.
//
// The first of Close, Fail, Abort and Cancel ends the Queue:
//
//	            Pull                                    Write
//	Close       the chunks that are held, then io.EOF   ErrClosed
//	Fail(e)     the chunks that are held, then e        e
//	Abort(e)    e; the chunks that are held are dropped e
//	Cancel(e)   io.EOF; they are dropped                e
//
// A nil e stands for [ErrClosed]. A Size that returns a negative number fails the Queue with an
// error that names the number. A Queue has no goroutine: the garbage collector frees one that is no
// longer used.
//
// Streams Standard, 6.1.
type Queue[T any] struct {
	strategy Strategy[T]   // immutable
	done     chan struct{} // closed when the end is decided

	mu sync.Mutex
	// Guarded by mu.
	held    ring[T]
	size    uint64     // of held; less than the mark and one chunk, so it does not overflow
	writers waiters[T] // empty while there is room
	pullers waiters[T] // empty while a chunk is held
	ended   bool
	readEnd error      // what Pull returns when no chunk is held; valid once ended
	cause   error      // what Write returns; valid once ended
	free    *waiter[T] // spare waiters, linked by next, so that a call that waits allocates nothing
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

// Pull waits for the next chunk and takes it. After the end it takes the chunks that are held. Then
// it returns io.EOF if the Queue was closed or cancelled, and else the error of its failure. Pull
// allocates nothing in the long run.
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

// Write waits its turn until there is room for v, or a Pull waits for it. It returns when v is
// accepted. After the end it returns ErrClosed, or the cause of the end. It allocates nothing in
// the long run.
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

// TryWrite writes v if that needs no waiting. It returns false if the Queue is full or a Write
// waits its turn. After the end it fails as Write does.
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

// Ready waits its turn until there is room for a chunk, or a Pull waits for one. It takes none of
// the room, and another writer may take it first: loop over TryWrite and Ready. After the end it
// returns what Write does.
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

// DesiredSize returns the mark less the size of the chunks that are held. If it is zero or
// negative, a Write waits, unless a Pull waits for its chunk. It is negative if the last chunk that
// was accepted exceeds the mark. It is 0 after the end.
func (q *Queue[T]) DesiredSize() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0
	}
	return int(q.mark() - q.size) // below zero, too: it wraps around
}

// Done returns a channel that is closed when the end is decided. Writes fail from then on, and no
// Pull waits any more. The chunks that are held may still be pulled.
func (q *Queue[T]) Done() <-chan struct{} { return q.done }

// Close takes its turn behind the Writes that wait, and ends the Queue. It does not wait until the
// chunks that are held are pulled. If ctx ends first, Close returns its cause, and has closed
// nothing. After the end Close returns nil if the Queue was closed, and else the cause of the end.
func (q *Queue[T]) Close(ctx context.Context) error { return q.finish(ctx, nil) }

// Fail is Close with an error. It takes its turn behind the Writes that wait, and pulls return the
// chunks that are held before cause, or [ErrClosed] if cause is nil. It returns nil unless ctx
// ended first.
func (q *Queue[T]) Fail(ctx context.Context, cause error) error {
	cause = cmp.Or(cause, ErrClosed)
	if err := q.finish(ctx, cause); ctx.Err() != nil {
		return err
	}
	return nil
}

// Abort ends the Queue immediately, and drops the chunks that are held. Pulls and Writes fail with
// cause, or with [ErrClosed] if cause is nil, those that wait too. It returns nil. After the end it
// changes nothing.
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

// Cancel ends the Queue immediately, and drops the chunks that are held. Pulls return io.EOF.
// Writes fail with cause, or with [ErrClosed] if cause is nil. Calls that wait return the same.
// Cancel returns nil. After the end it drops the chunks that are still held.
func (q *Queue[T]) Cancel(cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held.drop()
	if !q.ended {
		q.endLocked(io.EOF, cmp.Or(cause, ErrClosed))
	}
	return nil
}
