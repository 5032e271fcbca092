package stream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"reflect"

	"github.com/wsstream/wsstream/internal/lasting"
)

// PipeOptions say what Pipe leaves alone. Nil is the zero value.
type PipeOptions struct {
	PreventClose  bool // do not close the destination when the source ends
	PreventAbort  bool // neither fail nor abort the destination when the source fails or ctx ends
	PreventCancel bool // do not cancel the source when the destination ends or ctx does

	// Progress is called after each chunk that the destination accepted, with their number so far, on Pipe's
	// goroutine: Pipe waits for it.
	Progress func(chunks int64)
}

// Pipe moves the chunks of src to dst until one of them ends or ctx does, shuts down what is left, and returns.
//
//	what happens                          what Pipe does                    returns          unless
//	src ends                              closes dst                        nil              PreventClose
//	src fails with e                      fails dst with e (see Failer)     e                PreventAbort
//	dst fails with e                      cancels src with e                e                PreventCancel
//	dst is closed before src ends         cancels src with ErrClosed        ErrClosed        PreventCancel
//	ctx ends                              aborts dst and cancels src        the cause        PreventAbort, PreventCancel
//	a function of src or dst panics       aborts dst and cancels src        panics           PreventAbort, PreventCancel
//
// When src fails, nothing that dst accepted before is dropped where dst is a Failer; without a
// Fail, dst is aborted. If ctx ends that Fail, dst is aborted, and Pipe returns e and the cause,
// joined.
//
// If the closing fails, Pipe returns its error; if ctx has ended it, dst is aborted. If another
// shutdown fails, its errors are joined to the first. If both ends fail, the first counts. A source
// that has ended while dst is closed is success, and one that has ended is never cancelled. A ctx
// that has ended before the start moves nothing. A dst whose Write failed, but which does not say
// by Done that it has ended, may have refused that one chunk: it is aborted with the error, which
// changes nothing for one that has failed.
//
// Pipe runs on the caller's goroutine. It pulls only when dst has room, where dst can tell (Ready, as a Queue's), and
// so holds nothing while it waits, else one chunk. If ctx ends while it has a chunk in hand and dst has no room for it,
// that chunk is lost. It waits for a Write in progress. So the end of src is noticed when dst has room, or, where src
// says by Done that its end is decided, at once. A dst with a Done channel is watched while src is idle, by one
// goroutine that ends with Pipe; the error of its end is what its Ready returns, else ErrClosed. Without a Done, the
// end of dst is noticed by the next Write. Pipe allocates nothing for a chunk.
//
// A ctx that has ended because a connection has (a Conn's Context, or that of a Handler's request)
// does not end Pipe: what is left of the connection's stream is moved, and then its end is seen.
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

// A pipe is a Pipe at work.
type pipe[T any] struct {
	dst Writable[T]
	src Readable[T]
	o   PipeOptions

	ended bool // the source has
}

// An outcome is why a pipe ends, and what is to be done about it.
type outcome struct {
	err                 error
	fail, abort, cancel bool // fail is for the destination, behind what it accepted
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
	for moved := int64(1); ; moved++ {
		if !isDone(srcDone) || isDone(dstDone) { // else what is pulled may be the end, which needs no room
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
		if p.o.Progress != nil {
			p.o.Progress(moved)
		}
	}
}

// watch returns a context for pulls, which ends with ctx and when the destination's end is decided.
func (p *pipe[T]) watch(ctx context.Context) (pctx context.Context, stop func()) {
	done := doneOf(p.dst)
	if done == nil {
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

// puller returns a function that pulls into a chunk of the pipe's: the same memory each time, if both ends agree.
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

// lastChance writes the chunk in hand if ctx has ended, and there is room.
func (p *pipe[T]) lastChance(ctx context.Context, v T) bool {
	if ctx.Err() == nil {
		return false
	}
	t, ok := p.dst.(TryWriter[T])
	if !ok {
		return false
	}
	written, err := t.TryWrite(v)
	return written && err == nil
}

func ctxEnded(ctx context.Context) outcome {
	return outcome{err: context.Cause(ctx), abort: true, cancel: true}
}

// ofCtx says that err is the end of ctx, not of a stream. A cause that cannot be compared is taken
// for the end.
func ofCtx(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() == nil {
		return false
	}
	cause := context.Cause(ctx)
	return !canCompare(cause) || errors.Is(err, cause) || errors.Is(err, ctx.Err())
}

// canCompare says that err, which a caller of this package made, can be compared: == panics for a
// struct that has a slice or a map inside.
func canCompare(err error) bool { return reflect.ValueOf(err).Comparable() }

// srcEnded is the outcome when a pull has failed with err.
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

// closeDst closes the destination in turn, as the source has ended.
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

// dstEnded is the outcome when the destination's end, err, was noticed with no chunk in hand; nil is one without an
// error.
func (p *pipe[T]) dstEnded(ctx context.Context, err error) outcome {
	o := p.dstFailed(ctx, cmp.Or(err, ErrClosed))
	if !errors.Is(o.err, ErrClosed) || p.o.PreventCancel || !isDone(doneOf(p.src)) {
		return o
	}
	// The source's end is decided too, so that a pull does not wait: is it here?
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

// dstFailed is the outcome when the destination failed with err.
func (p *pipe[T]) dstFailed(ctx context.Context, err error) outcome {
	if ofCtx(ctx, err) {
		return ctxEnded(ctx)
	}
	refused := !errors.Is(err, ErrClosed) && !isDone(doneOf(p.dst)) // perhaps that one chunk only
	return outcome{err: err, abort: refused, cancel: true}
}

// shut does what the outcome asks for, and returns its error with those that this meets.
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

// join joins what a shutdown met to the error that caused it, which it may have met again.
func join(err, met error) error {
	if met == nil || canCompare(met) && errors.Is(err, met) {
		return err
	}
	return errors.Join(err, met)
}
