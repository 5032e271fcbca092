package stream

import (
	"context"
	"io"
	"sync"
)

// Stage runs f on a goroutine of its own, between src and the stream that it returns. f gets a
// Readable, which is src, and a Writable, which is a [Queue] with that limit. f may pull and write
// any number of chunks, at its own pace. Stage is for work that blocks, or that sets its own pace.
// [Map] and [Through] need no goroutine.
//
// The first Pull starts f. Its context ends with Cancel, with the cause that Cancel was given. When
// f returns nil, the stream ends well, behind the chunks that f wrote. When f returns an error, the
// stream fails with it, and src is cancelled with it.
//
// If f returns io.EOF and src has ended, io.EOF counts as nil. So a loop over Pull may return its
// error. If src has not ended, io.EOF becomes [io.ErrUnexpectedEOF]. If src has not ended when f
// returns, src is cancelled. A panic of f is passed on: see [Panic]. A panic after Cancel is
// dropped, because no Pull can return it.
//
// Pull to the end or call Cancel. Otherwise f may wait for ever. Cancel does not wait for f. Stage
// panics if f is nil.
func Stage[In, Out any, L Limit[Out]](
	src Readable[In],
	limit L,
	f func(ctx context.Context, src Readable[In], dst Writable[Out]) error,
) Readable[Out] {
	mustFunc(f == nil, "Stage")
	in, q := newSource(src), NewQueueOf(strategyOf[Out](limit))
	ctx, cancel := context.WithCancelCause(context.Background())
	run := func() {
		catch(func() error { return f(ctx, in, q) }, func(err error) {
			if err == io.EOF {
				err = nil
				if !in.ended.Load() {
					err = io.ErrUnexpectedEOF
				}
			}
			_ = q.finish(context.Background(), err)
			_ = in.Cancel(err)
			cancel(nil)
		})
	}
	return &output[Out]{
		q:     q,
		begin: new(sync.Once),
		start: func() {
			go run() // owned by the stream; ends with f, whose context ends with Cancel
		},
		cancel: func(cause error) error {
			cancelSource := in.claim()
			_ = q.Cancel(cause)
			cancel(cause)
			return cancelSource(cause)
		},
	}
}
