package stream

import (
	"context"
	"io"
	"sync"
)

// Stage runs f on a goroutine of its own between src and the stream it returns: f pulls from the Readable it is given
// and writes to the Writable, at its own pace, any number of chunks; the Writable is a Queue of strategy s. It is for
// work that blocks, or keeps a pace of its own; Map and Through do without a goroutine.
//
// f is started by the first Pull. Its context ends with Cancel, with the cause that was given. When f returns nil, the
// stream ends well, behind what f wrote; with an error, the stream fails with it, and src is cancelled with it. io.EOF
// is as nil if src has ended, so that a loop over Pull may return what it got, else it becomes io.ErrUnexpectedEOF.
// If src has not ended when f returns, it is cancelled. A panic of f is passed on as *Panic tells; one after Cancel
// has nobody to go to, and is dropped.
//
// End a Stage that was pulled with Cancel, or by pulling to its end: else f may wait for ever. Cancel does not wait
// for f. Stage panics if f is nil.
func Stage[In, Out any, L Limit[Out]](
	src Readable[In], limit L, f func(ctx context.Context, src Readable[In], dst Writable[Out]) error,
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
		start: func() { go run() }, // owned by the stream; ends with f, whose context ends with Cancel
		cancel: func(cause error) error {
			_ = q.Cancel(cause)
			cancel(cause)
			return in.Cancel(cause)
		},
	}
}
