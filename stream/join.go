package stream

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/wsstream/wsstream/internal/lasting"
)

// Join relays between a and b until both ways have ended: it writes each chunk that it pulls from
// one side to the other. It passes the ends on, and loses no chunk that a side takes.
//
// The end of a side is the end of its Readable. Join passes it on behind all chunks that came
// before it. After io.EOF or [ErrClosed] it closes the other side's Writable. After any other error
// it fails that Writable (see [Failer]). Before that it flushes the other side (see [Flusher]): it
// waits until that side has taken its chunks. Join does not limit that wait. So set
// WriteStallTimeout on a connection. Without it, a peer that reads nothing blocks Join for ever.
//
// A side that has ended takes no more chunks. Join then still pulls the chunks for that side and
// drops them, so that it sees the end of their source. It does not cancel that source yet. Join
// cancels it when the other way is done, or cannot write any more either. The cause is the error of
// the Write that failed, if one did.
//
// A Writable may refuse one chunk without having ended, as its Done shows (see [Notifier]). Then
// neither side has ended. Join fails that Writable with the error of its Write, and cancels the
// source with the same error.
//
// Join returns the first error of either way that is neither io.EOF nor ErrClosed. When ctx ends,
// Join aborts and cancels the halves that have not ended, with its cause. It returns the cause if
// no way had failed before. A context that has ended because a connection has does not end Join, as
// for [Pipe].
//
// A panic ends both ways as the end of ctx does, and Join then panics with a [*Panic]. One of the
// two ways runs on a goroutine that ends before Join returns.
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
	defer wg.Wait() // if this goroutine ends in its way
	// Owned by Join; ends with its way, which ctx ends, too.
	wg.Go(func() { relay(j, a.Writable, b.Readable) })
	relay(j, b.Writable, a.Readable)
	wg.Wait()
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

// joined is the part that the two ways of a Join share.
type joined struct {
	ctx      context.Context         // ends with Join's, or by a panic
	cut      context.CancelCauseFunc // ends ctx
	wanted   context.Context         // governs the pulls of chunks that are dropped
	unwanted context.CancelCauseFunc

	mu sync.Mutex
	// Guarded by mu.
	err      error // the first
	panicked *Panic
	lost     int // how many ways have lost their destination
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

// lose notes that a way has lost its destination. When both ways have, no chunk is wanted any more.
func (j *joined) lose() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lost++; j.lost == 2 {
		j.unwanted(errUnwanted)
	}
}

// broken cuts both ways, because a function of one has panicked or has ended its goroutine.
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
	leave := PipeOptions{PreventClose: true, PreventCancel: true}
	w := &way[T]{j, pipe[T]{dst: dst, src: src, o: leave}}
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

// A way is the state of one way of a Join: a pipe that does not shut its ends.
type way[T any] struct {
	*joined
	pipe[T]
}

// run relays until the source has ended. It returns nil, and notes the errors.
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

// abort cuts the ends of the way that have not ended.
func (w *way[T]) abort(cause error) {
	w.note(cause)
	_ = w.dst.Abort(cause)
	if !w.ended {
		_ = w.src.Cancel(cause)
	}
}

// passOn gives the source's end to the destination.
func (w *way[T]) passOn(end error) error {
	_ = flush(w.ctx, w.dst) // an error is the end of the Writable, which the next call returns
	if end == nil || errors.Is(end, ErrClosed) {
		return w.dst.Close(w.ctx)
	}
	return failIn(w.ctx, w.dst, end)
}

// refused reports whether the destination has refused a chunk, and has not ended.
func (w *way[T]) refused(o outcome) bool {
	done := doneOf(w.dst)
	return done != nil && !isDone(done) && !errors.Is(o.err, ErrClosed)
}

// drop pulls chunks and drops them, until the source has ended, or is no longer wanted and is
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
