package stream

import (
	"context"
	"errors"
	"io"
)

// How the calls of a Queue wait, and what they do with its mu held.

// mark returns the high-water mark.
func (q *Queue[T]) mark() uint64 { return uint64(max(q.strategy.Mark, 0)) }

// roomLocked reports whether a chunk may be accepted.
func (q *Queue[T]) roomLocked() bool { return q.size < q.mark() || q.pullers.first != nil }

// acceptLocked gives v to the first pull that waits, or holds it.
func (q *Queue[T]) acceptLocked(v T, size uint64) {
	if w := q.pullers.first; w != nil {
		w.v = v
		q.pullers.serve(w, nil)
		return
	}
	q.held.push(v, size)
	q.size += size
}

func (q *Queue[T]) popLocked() T {
	v, size := q.held.pop()
	q.size -= size
	return v
}

// settleLocked serves the writers whose turn has come, from the first on.
func (q *Queue[T]) settleLocked() {
	for w := q.writers.first; w != nil && !q.ended; w = q.writers.first {
		switch {
		case w.kind == waitClose && w.err == nil:
			q.writers.serve(w, nil)
			q.endLocked(io.EOF, ErrClosed)
		case w.kind == waitClose:
			err := w.err
			q.writers.serve(w, nil)
			q.endLocked(err, err)
		case !q.roomLocked():
			return
		case w.kind == waitReady:
			q.writers.serve(w, nil)
		default:
			q.acceptLocked(w.v, w.size)
			q.writers.serve(w, nil)
		}
	}
}

// endLocked decides the end. Pulls return read when no chunk is held, and Writes return write.
func (q *Queue[T]) endLocked(read, write error) {
	q.ended, q.readEnd, q.cause = true, read, write
	for q.pullers.first != nil {
		q.pullers.serve(q.pullers.first, read)
	}
	for w := q.writers.first; w != nil; w = q.writers.first {
		if w.kind == waitClose {
			q.writers.serve(w, closeResult(read, write))
		} else {
			q.writers.serve(w, write)
		}
	}
	close(q.done)
}

// fail ends the Queue with err behind the chunks that are held, without a turn.
func (q *Queue[T]) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ended {
		q.endLocked(err, err)
	}
}

// close ends the Queue well behind the chunks that are held, without a turn.
func (q *Queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ended {
		q.endLocked(io.EOF, ErrClosed)
	}
}

// hasRoom reports whether a chunk may be accepted, or the Queue has ended.
func (q *Queue[T]) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended || q.roomLocked()
}

// reject fails the Queue because of a chunk with an invalid size.
func (q *Queue[T]) reject(err error) error {
	q.fail(err)
	return q.cause // set once: reading it needs no mu
}

// finish takes its turn, and ends the Queue. Pulls return err behind the chunks that are held, and
// io.EOF for nil.
func (q *Queue[T]) finish(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	q.mu.Lock()
	if q.ended {
		defer q.mu.Unlock()
		return closeResult(q.readEnd, q.cause)
	}
	w := q.waiterLocked(waitClose)
	w.err = err
	return q.waitTurnUnlocks(ctx, w)
}

// closeResult returns what Close returns after the end.
func closeResult(read, write error) error {
	if read == io.EOF && errors.Is(write, ErrClosed) {
		return nil
	}
	return write
}

// waitTurnUnlocks waits among the writers. It unlocks mu.
func (q *Queue[T]) waitTurnUnlocks(ctx context.Context, w *waiter[T]) error {
	q.writers.push(w)
	q.settleLocked()
	q.mu.Unlock()
	_, err := q.wait(ctx, w)
	return err
}

// wait waits until w is served or ctx ends, and takes w back.
func (q *Queue[T]) wait(ctx context.Context, w *waiter[T]) (v T, err error) {
	served := w.wait(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !served && w.in != nil {
		w.in.remove(w)
		w.err = context.Cause(ctx)
		q.settleLocked() // the calls behind it may have waited for it alone
	} else if !served {
		<-w.woken
	}
	err = w.err
	if w.kind == waitPull {
		v = w.v
	}
	var none T
	w.v, w.err = none, nil
	w.next, q.free = q.free, w
	return v, err
}

// waiterLocked returns a waiter that is in no list.
func (q *Queue[T]) waiterLocked(kind waitKind) *waiter[T] {
	w := q.free
	if w == nil {
		w = &waiter[T]{woken: make(chan struct{}, 1)}
	} else {
		q.free, w.next = w.next, nil
	}
	w.kind = kind
	return w
}
