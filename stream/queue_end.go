package stream

import (
	"context"
	"errors"
	"io"
)

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
