package stream

import (
	"context"
	"io"
	"iter"

	"github.com/wsstream/wsstream/internal/lasting"
)

// All ranges over the chunks of src, as Pull returns them. An error is yielded once, last. A clean
// end yields nothing.
//
// Take both values. A loop with one variable compiles, and gets a zero chunk when the stream ends
// with an error.
//
// Leaving the loop leaves src as it is: later calls can pull from it. Cancel it if no call will. If
// ctx ends, its cause is the error, and src is as it was. A context that has ended because a
// connection has does not end the loop, as for [Pipe].
//
// Streams Standard, 4.2.5 (where leaving the loop cancels).
func All[T any](ctx context.Context, src Readable[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, stop := lasting.For(ctx)
		defer stop()
		for {
			v, err := src.Pull(ctx)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Collect pulls until the end, and returns all chunks. If the end is not clean, or ctx ends, it
// returns the chunks that came before, and the error.
func Collect[T any](ctx context.Context, src Readable[T]) ([]T, error) {
	var all []T
	for v, err := range All(ctx, src) {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}
