package stream

import (
	"errors"
	"iter"
)

// FlatMap returns a stream of all values that f returns for each chunk of src, in order. When a
// chunk is pulled from src, the sequence that f returns runs to its end, on the goroutine that
// pulls. So the sequence must be finite, and its values are held until they are pulled.
//
// An error in the sequence is like an error of [Map]'s function, behind the values before it.
// [Skip] goes on with the sequence. [SkipAll] ends the stream well, and any other error ends the
// stream: both stop the sequence. A nil sequence is empty. FlatMap panics if f is nil.
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
