package stream

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/wsstream/wsstream/internal/lasting"
)

// Join relays between a and b until both ways have ended: a chunk that is pulled from one is
// written to the other. It passes ends on, and loses nothing that a side takes.
//
// The end of a side is what its Readable gives. It goes to the other side behind all chunks that
// came before it: after io.EOF or ErrClosed Join closes the other side's Writable, after any other
// error it fails it with that (see Failer). Where that Writable has a Flush(ctx) error, Join first
// waits, without a limit of its own, until the other side has taken what it was given. For a
// connection set WriteStallTimeout, or a peer that reads nothing holds Join for ever.
//
// A side that has ended takes no more chunks. The way to it then neither cancels its source nor
// aborts: it pulls and drops, so that the end of the source is seen. When the other way is done, or
// cannot write any more either, it cancels its source, with the error of the Write that failed if
// there was one. A Writable that refused one chunk, and says by Done that it has not ended, is
// failed with the error, and the source is cancelled with it: neither side has ended, and both must
// know.
//
// Join returns the first error of either way that is neither io.EOF nor ErrClosed. When ctx ends,
// the halves that have not ended are aborted and cancelled with its cause, which Join returns if no
// way had failed before. A panic does the same, and is passed on as *Panic. A ctx that has ended
// because a connection has does not end Join, as for Pipe. One of the two ways runs on a goroutine
// that ends before Join returns.
func Join[A, B any](ctx context.Context, a Duplex[A, B], b Duplex[B, A]) error {
	if a.Readable == nil || a.Writable == nil || b.Readable == nil || b.Writable == nil {
		panic("stream: Join of a nil stream")
	}
	ctx, stop := lasting.For(ctx)
	defer stop()
	j := new(joined)
	j.ctx, j.cut = context.WithCancelCause(ctx)
	j.wanted, j.unwanted = context.WithCancelCause(j.ctx)
	defer j.cut(nil)
	var wg sync.WaitGroup
	defer wg.Wait()                                    // if this goroutine ends in its way
	wg.Go(func() { relay(j, a.Writable, b.Readable) }) // owned by Join; ends with its way, which ctx ends too
	relay(j, b.Writable, a.Readable)
	wg.Wait()
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

// joined is what the two ways of a Join have in common.
type joined struct {
	ctx      context.Context         // ends with Join's, or by a panic
	cut      context.CancelCauseFunc // ends ctx
	wanted   context.Context         // governs the pulls of chunks that are dropped
	unwanted context.CancelCauseFunc

	mu       sync.Mutex
	err      error // the first; guarded by mu, as the next two
	panicked *Panic
	lost     int // the ways that have lost their destination
}

// errUnwanted ends a pull of chunks that are dropped.
var errUnwanted = errors.New("stream: the other way of a join is done")

// note notes the error of a way.
func (j *joined) note(err error) {
	if err == nil || err == io.EOF || errors.Is(err, ErrClosed) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
}

// lose says that a way has lost its destination. When both have, no chunk is wanted any more.
func (j *joined) lose() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lost++; j.lost == 2 {
		j.unwanted(errUnwanted)
	}
}

// broken cuts both ways, as a function of one has panicked or ended its goroutine.
func (j *joined) broken(err error) {
	j.cut(err)
	j.mu.Lock()
	defer j.mu.Unlock()
	if p, ok := err.(*Panic); ok && j.panicked == nil {
		j.panicked = p
	}
}

// relay is one way of a Join.
func relay[T any](j *joined, dst Writable[T], src Readable[T]) {
	w := &way[T]{j, pipe[T]{dst: dst, src: src, o: PipeOptions{PreventClose: true, PreventCancel: true}}}
	catch(w.run, func(err error) {
		if err != nil {
			j.broken(err)
		}
		if j.ctx.Err() != nil {
			w.abort(context.Cause(j.ctx))
		}
		j.unwanted(errUnwanted)
	})
}

// A way is one way of a Join at work: a pipe that leaves its ends alone.
type way[T any] struct {
	*joined
	pipe[T]
}

// run relays until the source has ended, and returns nil: what went wrong is noted.
func (w *way[T]) run() error {
	o := w.pipe.run(w.ctx)
	switch {
	case w.ended:
		w.note(o.err)
		w.note(w.passOn(o.err))
	case w.ctx.Err() != nil:
	case w.refused(o):
		w.note(o.err)
		w.ended = true
		_ = w.src.Cancel(o.err)
		w.note(failIn(w.ctx, w.dst, o.err))
	default:
		w.note(o.err)
		w.lose()
		w.drop(o.err)
	}
	return nil
}

// abort cuts what has not ended.
func (w *way[T]) abort(cause error) {
	w.note(cause)
	_ = w.dst.Abort(cause)
	if !w.ended {
		_ = w.src.Cancel(cause)
	}
}

// passOn gives the source's end to the destination.
func (w *way[T]) passOn(end error) error {
	_ = flush(w.ctx, w.dst) // an error is that of an end, which comes again
	if end == nil || errors.Is(end, ErrClosed) {
		return w.dst.Close(w.ctx)
	}
	return failIn(w.ctx, w.dst, end)
}

// refused says that the destination has not ended, but has refused a chunk.
func (w *way[T]) refused(o outcome) bool {
	done := doneOf(w.dst)
	return done != nil && !isDone(done) && !errors.Is(o.err, ErrClosed)
}

// drop pulls and drops until the source has ended, or is not wanted any more, and then is
// cancelled.
func (w *way[T]) drop(lost error) {
	pull := w.puller()
	for {
		_, err := pull(w.wanted)
		switch {
		case err == nil:
		case err != io.EOF && w.ctx.Err() != nil:
			return
		case w.wanted.Err() != nil && ofCtx(w.wanted, err):
			w.ended = true
			_ = w.src.Cancel(lost)
			return
		default:
			w.ended = true
			w.note(err)
			return
		}
	}
}
