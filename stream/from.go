package stream

import (
	"context"
	"io"
	"iter"
)

// From returns a stream of the values given, which it copies.
func From[T any](v ...T) Readable[T] {
	q := NewQueue[T](0)
	for _, v := range v {
		q.held.push(v, 0)
	}
	q.end(io.EOF, ErrClosed)
	return q
}

// FromSeq returns a stream of the values of seq. The sequence runs only while somebody pulls,
// never ahead, and is stopped (its yield returns false) by Cancel; one that was begun and neither ran to its end nor was
// cancelled keeps a suspended coroutine, so have a deferred Cancel.
//
// Seq is not interrupted: a Pull whose ctx ends while seq makes a value waits for it, and so does the stop. A panic
// of seq's reaches the caller of Pull, or, while it is stopped, of Cancel. FromSeq panics if seq is nil.
func FromSeq[T any](seq iter.Seq[T]) Readable[T] {
	mustFunc(seq == nil, "FromSeq")
	return FromSeq2(func(yield func(T, error) bool) {
		for v := range seq {
			if !yield(v, nil) {
				return
			}
		}
	})
}

// FromSeq2 is FromSeq for a sequence with errors: the first one stops the sequence and is the stream's end. io.EOF
// is a clean end.
func FromSeq2[T any](seq iter.Seq2[T, error]) Readable[T] {
	mustFunc(seq == nil, "FromSeq2")
	var pull func() (T, error, bool)
	stop := func() {}
	return (&inline[T]{
		next: func(context.Context) (none T, err error) {
			if pull == nil {
				pull, stop = iter.Pull2(seq)
			}
			v, err, ok := pull()
			switch {
			case !ok:
				return none, io.EOF
			case err != nil:
				stop()
				return none, failure{err}
			}
			return v, nil
		},
		cancel: func(error) error { return nil },
		drop:   func(error) { stop() },
	}).init()
}
