package stream

import (
	"context"
	"errors"
	"io"
)

// Concat returns the chunks of the first source, then those of the second, and so on. It pulls from one at a time,
// and holds nothing. If a source fails, the stream fails with its error and the later ones are cancelled with it.
// Cancel cancels all that have not ended and joins their errors. Without sources it is empty.
func Concat[T any](src ...Readable[T]) Readable[T] {
	sources := newSources(src)
	at := 0 // the source that is pulled
	return (&inline[T]{
		next: func(ctx context.Context) (none T, err error) {
			for at < len(sources) {
				v, err := sources[at].Pull(ctx)
				switch {
				case err == nil:
					return v, nil
				case err == io.EOF:
					at++
				case ctx.Err() != nil:
					return none, err
				default:
					return none, failure{err}
				}
			}
			return none, io.EOF
		},
		cancel: func(cause error) error { return cancelAll(sources, cause) },
	}).init()
}

func newSources[T any](src []Readable[T]) []*source[T] {
	sources := make([]*source[T], len(src))
	for i, r := range src {
		sources[i] = newSource(r)
	}
	return sources
}

func cancelAll[T any](sources []*source[T], cause error) error {
	var all error
	for _, s := range sources {
		all = errors.Join(all, s.Cancel(cause))
	}
	return all
}
