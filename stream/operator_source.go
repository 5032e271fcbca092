package stream

import (
	"context"
	"io"
	"sync/atomic"
)

// A source is what an operator pulls from: it knows whether that has ended, and then never cancels it.
type source[T any] struct {
	r     Readable[T]
	ended atomic.Bool
}

func newSource[T any](r Readable[T]) *source[T] {
	if r == nil {
		panic("stream: nil Readable")
	}
	return &source[T]{r: r}
}

// Pull pulls from the source.
func (s *source[T]) Pull(ctx context.Context) (T, error) {
	v, err := s.r.Pull(ctx)
	if err != nil && (err == io.EOF || ctx.Err() == nil) {
		s.ended.Store(true)
	}
	return v, err
}

// Cancel cancels the source unless it has ended.
func (s *source[T]) Cancel(cause error) error {
	if s.ended.Swap(true) {
		return nil
	}
	return s.r.Cancel(cause)
}

// Done is the source's Done, and nil if it has none.
func (s *source[T]) Done() <-chan struct{} { return doneOf(s.r) }

// doneOf returns the channel that a stream which has one closes when its end is decided; else nil.
func doneOf(stream any) <-chan struct{} {
	if d, ok := stream.(interface{ Done() <-chan struct{} }); ok {
		return d.Done()
	}
	return nil
}

// isDone reports whether done is closed.
func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
