package stream

import (
	"context"
	"io"
	"iter"
)

// From returns a stream of the values that it is given, which it copies.
func From[T any](v ...T) Readable[T] {
	q := NewQueue[T](0)
	for _, v := range v {
		q.held.push(v, 0)
	}
	q.endLocked(io.EOF, ErrClosed)
	return q
}

// FromSeq returns a stream of the values of seq. The sequence runs only during a Pull, never ahead.
// Cancel stops it: its yield returns false. A sequence that has begun keeps a suspended coroutine
// until it ends or Cancel is called, so defer Cancel.
//
// A context does not interrupt seq. A Pull whose ctx ends while seq makes a value waits for that
// value, and so does Cancel. A panic of seq reaches the caller of Pull or, while seq is stopped, of
// Cancel. FromSeq panics if seq is nil.
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

// FromSeq2 is [FromSeq] for a sequence with errors. The first error stops the sequence, and is the
// end of the stream; io.EOF is a clean end.
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
