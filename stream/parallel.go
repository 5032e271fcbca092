package stream

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/wsstream/wsstream/internal/gate"
)

// Parallel returns a stream of the results of f, one for each chunk of src, in the order of src. It
// makes up to n calls of f concurrently. If n is zero, [runtime.GOMAXPROCS](0). If n is negative,
// 1. It holds at most n chunks: in work, or waiting to be pulled.
//
// At most n goroutines call f. The first Pull starts the first of them. The context of f ends with
// Cancel, with the cause that Cancel was given, or when the stream has failed.
//
// Errors of f are as for [Map], and come in order: the results of chunks before come first. Once f
// has failed, src is cancelled. A panic of f or src is passed on in order, too: see [Panic]. A
// panic after Cancel is dropped, because no Pull can return it.
//
// The goroutines end when src does, when the stream has failed, or with Cancel. So pull to the end,
// or Cancel. Cancel does not wait for f. Parallel panics if f is nil.
func Parallel[In, Out any](
	src Readable[In], n int, f func(ctx context.Context, in In) (Out, error),
) Readable[Out] {
	mustFunc(f == nil, "Parallel")
	switch {
	case n == 0:
		n = runtime.GOMAXPROCS(0)
	case n < 0:
		n = 1
	}
	p := &parallel[In, Out]{
		src:    newSource(src),
		f:      f,
		places: make(chan struct{}, n),
		order:  NewQueue[*result[Out]](Count(n)),
		turn:   gate.New(nil),
		idle:   n,
	}
	p.ctx, p.stop = context.WithCancelCause(context.Background())
	p.out = (&inline[Out]{next: p.next, cancel: p.cancel}).init()
	return p.out
}

// parallel is the state of a Parallel. Its workers take turns to pull from the source. The order of
// the turns is the order of the results.
type parallel[In, Out any] struct {
	src    *source[In]
	f      func(context.Context, In) (Out, error)
	ctx    context.Context // the workers', which belongs to no call
	stop   context.CancelCauseFunc
	places chan struct{}        // one value for each chunk that is held
	order  *Queue[*result[Out]] // of the chunks that are held
	head   *result[Out]         // taken from order and not delivered; for next alone
	out    *inline[Out]         // calls next
	turn   *gate.Gate           // to pull from the source

	begin    sync.Once
	panicked sync.Once
	idle     int // workers that have not started; guarded by turn
}

// A result is the result of one call of f, once done is closed.
type result[Out any] struct {
	done chan struct{} // closed when v and err are set
	v    Out
	err  error
}

// next delivers the next result in order.
func (p *parallel[In, Out]) next(ctx context.Context) (none Out, err error) {
	p.begin.Do(p.work)
	for {
		if p.head == nil {
			if p.head, err = p.order.Pull(ctx); err != nil {
				return none, p.failed(ctx, err)
			}
		}
		select {
		case <-p.head.done:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-p.ctx.Done(): // cancelled
			return none, io.EOF
		}
		r := p.head
		p.head = nil
		<-p.places
		switch {
		case r.err == nil:
			return r.v, nil
		case errors.Is(r.err, Skip):
			continue
		}
		return none, p.failed(ctx, asFailure(r.err))
	}
}

// failed ends the workers. It panics if the stream ends with a panic.
func (p *parallel[In, Out]) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != io.EOF {
		if _, own := err.(failure); !own {
			return err
		}
	}
	cause := err
	if own, ok := err.(failure); ok {
		cause = own.error
	}
	p.stop(cause)
	if panicked, ok := cause.(*Panic); ok && !isDone(p.out.cancelled) {
		p.out.end = cause // what later pulls return
		passOn(&p.panicked, panicked)
	}
	return err
}

// work starts one more worker, if there may be more.
func (p *parallel[In, Out]) work() {
	if p.idle == 0 {
		return
	}
	p.idle--
	go func() { // owned by the stream; ends with the source, a failure or Cancel
		for p.one() {
		}
	}()
}

// one works on one chunk, and reports whether there may be more.
func (p *parallel[In, Out]) one() bool {
	if !p.turn.Lock(p.ctx) {
		return false
	}
	in, r := p.take()
	if r == nil {
		return false
	}
	catch(func() (err error) {
		r.v, err = p.f(p.ctx, in)
		return err
	}, func(err error) {
		if r.err = err; err != nil && !errors.Is(err, Skip) {
			_ = p.src.Cancel(asFailure(err).cause())
		}
		close(r.done)
	})
	return true
}

// take pulls a chunk, makes a place for its result, and ends the turn. At the end it returns no
// result.
func (p *parallel[In, Out]) take() (in In, r *result[Out]) {
	defer p.turn.Unlock()
	select {
	case p.places <- struct{}{}:
	case <-p.ctx.Done():
		return in, nil
	}
	if isDone(p.order.Done()) {
		return in, nil
	}
	catch(func() (err error) {
		in, err = p.src.Pull(p.ctx)
		return err
	}, func(err error) {
		if err == nil {
			next := &result[Out]{done: make(chan struct{})}
			if ok, _ := p.order.TryWrite(next); ok { // has room unless it has ended
				r = next
				p.work()
				return
			}
		}
		if err == io.EOF {
			err = nil
		}
		_ = p.order.finish(context.Background(), err)
	})
	return in, r
}

func (p *parallel[In, Out]) cancel(cause error) error {
	cancelSource := p.src.claim()
	p.stop(cause)
	_ = p.order.Cancel(cause)
	return cancelSource(cause)
}
