package stream

import (
	"context"
	"errors"
)

// Map returns a stream of the results of f, one for each chunk of src. It calls f for one chunk at
// a time, on the goroutine that pulls, so f must not block: [Parallel] is for work that does. Map
// pulls from src when it is pulled, and holds nothing.
//
// If f returns [Skip], the chunk is dropped. If f returns [SkipAll], the stream ends well. Any
// other error ends the stream, and cancels src with it; a bare io.EOF becomes
// [io.ErrUnexpectedEOF]. A panic of f reaches the caller of Pull, and src is cancelled. Cancel
// cancels src. Map panics if f is nil.
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

// Filter returns the chunks of src for which keep returns true. For everything else it is [Map]. It
// panics if keep is nil.
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

// Scan keeps a state, which is s at first. For each chunk of src it returns the next state, which f
// makes of the last state and the chunk. The first state itself is not delivered. Errors and panics
// of f are as for [Map]. With [Skip] the state stays, and nothing is delivered. Scan panics if f is
// nil.
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
