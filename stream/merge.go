package stream

import (
	"context"
	"io"
	"sync"
)

// Merge returns the chunks of all sources as they come. The chunks of one source stay in order. The
// stream ends well when all sources have. When a source fails, the stream fails with its error,
// behind the chunks that were pulled before, and the other sources are cancelled with it.
//
// The first Pull starts one goroutine for each source. The goroutines pull while a Pull waits, so
// Merge holds one chunk of each source at most. Each ends when its source does, or with Cancel. So
// pull to the end, or Cancel.
//
// Cancel cancels all sources that have not ended, and joins their errors. A panic of a source is
// passed on: see [Panic]. Without sources the stream is empty.
func Merge[T any](src ...Readable[T]) Readable[T] {
	sources := newSources(src)
	q := NewQueue[T](0)
	ctx, cancel := context.WithCancelCause(context.Background())
	end := func(err error) {
		_ = q.finish(context.Background(), err)
		cancel(err)
	}
	start := func() {
		var wg sync.WaitGroup
		for _, s := range sources {
			wg.Go(func() { // owned by the stream; ends with its source, or with Cancel
				catch(func() error { return feed(ctx, s, q) }, func(err error) {
					if err != nil {
						_ = cancelAll(sources, err)
						end(err)
					}
				})
			})
		}
		go func() { // owned by the stream; ends with the goroutines above
			wg.Wait()
			end(nil)
		}()
	}
	return &output[T]{
		q:     q,
		begin: new(sync.Once),
		start: start,
		cancel: func(cause error) error {
			cancelSources := claimAll(sources)
			_ = q.Cancel(cause)
			cancel(cause)
			return cancelSources(cause)
		},
	}
}

// feed moves the chunks of a source to q, on demand. It returns nil when the source has ended well.
func feed[T any](ctx context.Context, s *source[T], q *Queue[T]) error {
	for {
		if err := q.Ready(ctx); err != nil {
			return err
		}
		v, err := s.Pull(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = q.Write(ctx, v)
		}
		if err != nil {
			return err
		}
	}
}
