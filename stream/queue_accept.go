package stream

import "io"

// How a Queue accepts a chunk, and hands it over.

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

// hasRoom reports whether a chunk may be accepted, or the Queue has ended.
func (q *Queue[T]) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended || q.roomLocked()
}

// isIdle reports whether no chunk is held, and the Queue has not ended.
func (q *Queue[T]) isIdle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held.n == 0 && !q.ended
}
