package stream

import (
	"errors"
	"iter"
)

// FlatMap returns all that f makes of each chunk of src, in order. What one chunk expands to is held until it is
// pulled, so it must be finite: the sequence runs to its end on the puller's goroutine, when the chunk is pulled.
//
// An error in the sequence is as one of Map's f, behind what came before it: Skip goes on with the sequence, SkipAll
// ends the stream well, any other ends it; for the latter two the sequence is stopped. A nil sequence is an empty one.
// FlatMap panics if f is nil.
func FlatMap[In, Out any](src Readable[In], f func(In) iter.Seq2[Out, error]) Readable[Out] {
	mustFunc(f == nil, "FlatMap")
	each := func(in In, emit func(Out)) error {
		seq := f(in)
		if seq == nil {
			return nil
		}
		for out, err := range seq {
			switch {
			case err == nil:
				emit(out)
			case !errors.Is(err, Skip):
				return err
			}
		}
		return nil
	}
	return Through(src, Transform[In, Out]{Each: each})
}
