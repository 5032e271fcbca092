package stream

import (
	"context"
	"errors"
)

// Map returns what f makes of each chunk of src, one at a time, on the puller's goroutine: f should not block; for
// work that does there is Parallel. It pulls from src when it is pulled and holds nothing.
//
// If f returns Skip the chunk is dropped; SkipAll ends the stream well; any other error ends it, and src is cancelled
// with it. A bare io.EOF becomes io.ErrUnexpectedEOF. A panic of f reaches the caller of Pull, and src is cancelled.
// Cancel cancels src. Map panics if f is nil.
func Map[In, Out any](src Readable[In], f func(In) (Out, error)) Readable[Out] {
	mustFunc(f == nil, "Map")
	s := newSource(src)
	return from(s, func(ctx context.Context) (none Out, err error) {
		for {
			in, err := s.Pull(ctx)
			if err != nil {
				return none, err
			}
			out, err := f(in)
			switch {
			case err == nil:
				return out, nil
			case !errors.Is(err, Skip):
				return none, asFailure(err)
			}
		}
	})
}

// Filter returns the chunks of src that keep wants, as Map would. It panics if keep is nil.
func Filter[T any](src Readable[T], keep func(T) bool) Readable[T] {
	mustFunc(keep == nil, "Filter")
	s := newSource(src)
	return from(s, func(ctx context.Context) (T, error) {
		for {
			v, err := s.Pull(ctx)
			if err != nil || keep(v) {
				return v, err
			}
		}
	})
}

// Scan returns, for each chunk of src, the state that f makes of the last state and the chunk; s is the first, and is
// not itself delivered. Errors and panics of f are as for Map; with Skip the state stays and nothing is delivered.
// Scan panics if f is nil.
func Scan[In, S any](src Readable[In], s S, f func(S, In) (S, error)) Readable[S] {
	mustFunc(f == nil, "Scan")
	return Map(src, func(in In) (S, error) {
		next, err := f(s, in)
		if err == nil {
			s = next
		}
		return next, err
	})
}
