package stream

import (
	"context"
	"io"
	"slices"
)

// Concat returns the chunks of the first source, then those of the second, and so on. It pulls from
// one source at a time, and holds nothing. If a source fails, the stream fails with its error, and
// the later sources are cancelled with it. Cancel cancels all sources that have not ended, and
// joins their errors. Without sources the stream is empty.
func Concat[T any](src ...Readable[T]) Readable[T] {
	c := &concat[T]{sources: newSources(src)}
	r := (&inline[T]{
		next:   c.next,
		cancel: func(cause error) error { return cancelAll(c.sources, cause) },
	}).init()
	c.cancelled = r.cancelled
	if slices.ContainsFunc(c.sources, func(s *source[T]) bool { return s.into != nil }) {
		return inlineInto[T]{r, c.nextInto}
	}
	return r
}

type concat[T any] struct {
	sources []*source[T]
	at      int // the source that is pulled

	cancelled <-chan struct{} // closed by Cancel of the output
}

func (c *concat[T]) next(ctx context.Context) (v T, err error) {
	err = c.each(ctx, func(s *source[T]) (err error) {
		v, err = s.Pull(ctx)
		return err
	})
	return v, err
}

// nextInto is next into *v.
func (c *concat[T]) nextInto(ctx context.Context, v *T) error {
	return c.each(ctx, func(s *source[T]) error { return s.PullInto(ctx, v) })
}

// each pulls from the sources, from the current one on, until one of them has a chunk.
func (c *concat[T]) each(ctx context.Context, pull func(*source[T]) error) error {
	for ; c.at < len(c.sources); c.at++ {
		err := pull(c.sources[c.at])
		switch {
		case err == nil:
			return nil
		case isDone(c.cancelled): // so this may be no end of the source
			return err
		case err == io.EOF:
		case ctx.Err() != nil:
			return err
		default:
			return failure{err}
		}
	}
	return io.EOF
}
