package stream

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/wsstream/wsstream/internal/lasting"
)

// PipeOptions say what [Pipe] leaves alone. A nil *PipeOptions is the zero value.
type PipeOptions struct {
	PreventClose  bool // do not close the destination when the source ends
	PreventAbort  bool // neither fail nor abort the destination when the source fails or ctx ends
	PreventCancel bool // do not cancel the source when the destination ends or ctx does

	// Progress is called after each chunk that the destination has accepted, with the number of
	// chunks so far. It runs on Pipe's goroutine, which waits for it. If nil, none.
	Progress func(chunks int64)
}

// Pipe moves the chunks of src to dst until one of them ends or ctx does. Then it shuts down the
// other end, and returns.
//
//	what happens            what Pipe does              returns    unless
//	src ends                closes dst                  nil        PreventClose
//	src fails with e        fails dst with e            e          PreventAbort
//	dst fails with e        cancels src with e          e          PreventCancel
//	dst is closed first     cancels src with ErrClosed  ErrClosed  PreventCancel
//	ctx ends                aborts dst and cancels src  its cause  PreventAbort, PreventCancel
//	a stream's func panics  aborts dst and cancels src  panics     PreventAbort, PreventCancel
//
// When src fails, dst drops nothing that it accepted before, if dst is a [Failer]. Else Pipe aborts
// dst. If ctx ends during that Fail, Pipe aborts dst, and returns e and the cause, joined.
//
// If closing dst fails, Pipe returns that error. If ctx ends during the closing, Pipe aborts dst.
// If another shutdown fails, Pipe joins its error to the first error. If both ends fail, the first
// failure counts. A source that has ended is never cancelled: if dst is closed by then, that is
// success. If ctx had ended before the start, nothing is moved.
//
// A dst whose Write failed may have refused that one chunk. If its Done does not say that it has
// ended (see [Notifier]), Pipe aborts it with the error. That changes nothing for a dst that has
// failed.
//
// Pipe runs on the caller's goroutine. It waits for a Write in progress. It allocates nothing for a
// chunk. How much it holds while it waits depends on what dst can tell:
//
//   - If dst is a [Readier], Pipe pulls only once dst has room, and holds nothing while it waits.
//     So it notices the end of src when dst has room.
//   - If src is a Notifier and its end is decided, Pipe does not wait for room. So it notices the
//     end immediately. If chunks come before the end, it holds one.
//   - Else Pipe holds one chunk. If ctx ends while dst has no room for it, that chunk is lost.
//
// If dst is a Notifier, a goroutine that ends with Pipe watches it while src is idle. The error of
// its end is what its Ready returns, or ErrClosed if it has no Ready. Else the next Write notices
// the end of dst.
//
// The end of a connection also ends the Context of its Conn, and the context of its Handler's
// request. If ctx is such a context, that does not end Pipe. Pipe moves the chunks that are left in
// the connection's stream, and then reaches its end.
//
// Streams Standard, 4.9.1 (ReadableStreamPipeTo).
func Pipe[T any](ctx context.Context, dst Writable[T], src Readable[T], o *PipeOptions) error {
	if dst == nil || src == nil {
		panic("stream: Pipe of a nil stream")
	}
	p := &pipe[T]{dst: dst, src: src}
	if o != nil {
		p.o = *o
	}
	ctx, stop := lasting.For(ctx)
	defer stop()
	returned := false
	defer func() {
		if !returned { // a function panicked, and goes on to
			_ = p.shut(ctx, outcome{err: errPanicked, abort: true, cancel: true})
		}
	}()
	err := p.shut(ctx, p.run(ctx))
	returned = true
	return err
}

// A pipe is the state of one call of Pipe.
type pipe[T any] struct {
	dst Writable[T]
	src Readable[T]
	o   PipeOptions

	ended bool        // the source has ended
	moved int64       // chunks that the destination has accepted
	rest  func() bool // of a feed: reports whether it rests until the next chunk; nil for Pipe
}

// An outcome says why a pipe ends, and what must be done about that.
type outcome struct {
	err                 error
	fail, abort, cancel bool // to fail or abort the destination, to cancel the source
	rests               bool // a feed rests: nothing has ended
}

// errDstDone ends a pull when the destination's end is decided.
var errDstDone = errors.New("stream: the destination of a pipe has ended")

func (p *pipe[T]) run(ctx context.Context) outcome {
	if ctx.Err() != nil {
		return ctxEnded(ctx)
	}
	pctx, stop := p.watch(ctx)
	defer stop()
	ready := readyOf(p.dst)
	pull, srcDone, dstDone := p.puller(), doneOf(p.src), doneOf(p.dst)
	for {
		if p.rest != nil && p.rest() {
			return outcome{rests: true}
		}
		// A source that is done may return its end next, which needs no room.
		if !isDone(srcDone) || isDone(dstDone) {
			if err := ready(ctx); err != nil {
				return p.dstEnded(ctx, err)
			}
		}
		v, err := pull(pctx)
		if err != nil {
			return p.srcEnded(ctx, pctx, err)
		}
		if err := p.dst.Write(ctx, *v); err != nil && !p.lastChance(ctx, *v) {
			return p.dstFailed(ctx, err)
		}
		p.accepted()
	}
}

// accepted notes that the destination has accepted one more chunk.
func (p *pipe[T]) accepted() {
	p.moved++
	if p.o.Progress != nil {
		p.o.Progress(p.moved)
	}
}

// watch returns a context for pulls. It ends with ctx, and when the destination's end is decided. A
// feed pulls only what is held, so that no pull of it waits.
func (p *pipe[T]) watch(ctx context.Context) (pctx context.Context, stop func()) {
	done := doneOf(p.dst)
	if done == nil || p.rest != nil {
		return ctx, func() {}
	}
	pctx, cancel := context.WithCancelCause(ctx)
	go func() { // owned by Pipe, which ends it with stop
		select {
		case <-done:
			cancel(errDstDone)
		case <-pctx.Done():
		}
	}()
	return pctx, func() { cancel(nil) }
}

// puller returns a function that pulls into a chunk of the pipe's. It reuses the memory of the last
// chunk if both ends allow that.
func (p *pipe[T]) puller() func(context.Context) (*T, error) {
	v := new(T)
	if into, ok := p.src.(PullerInto[T]); ok && borrows(p.dst) {
		return func(ctx context.Context) (*T, error) { return v, into.PullInto(ctx, v) }
	}
	return func(ctx context.Context) (_ *T, err error) {
		*v, err = p.src.Pull(ctx)
		return v, err
	}
}

// lastChance writes the chunk that Pipe holds if ctx has ended and there is room.
func (p *pipe[T]) lastChance(ctx context.Context, v T) bool {
	if ctx.Err() == nil {
		return false
	}
	t, ok := p.dst.(TryWriter[T])
	if !ok {
		return false
	}
	written, _ := t.TryWrite(v)
	return written
}

func ctxEnded(ctx context.Context) outcome {
	return outcome{err: context.Cause(ctx), abort: true, cancel: true}
}

// srcEnded returns the outcome of a pull that failed with err.
func (p *pipe[T]) srcEnded(ctx, pctx context.Context, err error) outcome {
	switch {
	case err == io.EOF:
		p.ended = true
		return p.closeDst(ctx)
	case ofCtx(ctx, err):
		return ctxEnded(ctx)
	case ofCtx(pctx, err): // the destination's end ended the pull
		return p.dstEnded(ctx, readyOf(p.dst)(context.WithoutCancel(ctx)))
	}
	p.ended = true
	return outcome{err: err, fail: true}
}

// closeDst closes the destination, behind the chunks that it has, because the source has ended.
func (p *pipe[T]) closeDst(ctx context.Context) outcome {
	if p.o.PreventClose {
		return outcome{}
	}
	err := p.dst.Close(ctx)
	switch {
	case err == nil || errors.Is(err, ErrClosed):
		return outcome{}
	case ofCtx(ctx, err):
		return outcome{err: context.Cause(ctx), abort: true}
	}
	return outcome{err: err}
}

// dstEnded returns the outcome of a destination that has ended with err, while the pipe held no
// chunk. A nil err is an end without an error.
func (p *pipe[T]) dstEnded(ctx context.Context, err error) outcome {
	o := p.dstFailed(ctx, cmp.Or(err, ErrClosed))
	if !errors.Is(o.err, ErrClosed) || p.o.PreventCancel || !isDone(doneOf(p.src)) {
		return o
	}
	// The source's end is decided, too, so a Pull does not wait. Is the end next?
	_, end := p.src.Pull(context.WithoutCancel(ctx))
	if end == nil {
		return o
	}
	p.ended = true
	if end == io.EOF {
		return outcome{}
	}
	return outcome{err: end}
}

// dstFailed returns the outcome of a destination that failed with err.
func (p *pipe[T]) dstFailed(ctx context.Context, err error) outcome {
	if ofCtx(ctx, err) {
		return ctxEnded(ctx)
	}
	refused := !errors.Is(err, ErrClosed) && !isDone(doneOf(p.dst)) // it may be that one chunk only
	return outcome{err: err, abort: refused, cancel: true}
}

// shut does what the outcome asks for. It returns the outcome's error, with the errors of the
// shutdown.
func (p *pipe[T]) shut(ctx context.Context, o outcome) error {
	err := o.err
	if o.fail && !p.o.PreventAbort {
		met := failIn(ctx, p.dst, o.err)
		err = join(err, met)
		o.abort = ofCtx(ctx, met)
	}
	if o.abort && !p.o.PreventAbort {
		err = join(err, p.dst.Abort(o.err))
	}
	if o.cancel && !p.ended && !p.o.PreventCancel {
		err = join(err, p.src.Cancel(o.err))
	}
	return err
}
