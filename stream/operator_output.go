package stream

import (
	"context"
	"sync"
)

// An output is the Readable of an operator with goroutines. It is a queue that the goroutines fill,
// and the functions that start and end them.
type output[T any] struct {
	q      *Queue[T]
	start  func()            // starts the goroutines; called once, by the first Pull
	cancel func(error) error // ends q and them, and cancels the source; called once
	begin  *sync.Once        // for start; may be shared

	panicked sync.Once // a panic is passed on once
	ended    sync.Once // Cancel counts once
}

// Pull waits for the next chunk that the goroutines make.
func (o *output[T]) Pull(ctx context.Context) (T, error) {
	if ctx.Err() == nil && !isDone(o.q.done) {
		o.begin.Do(o.start)
	}
	v, err := o.q.Pull(ctx)
	if p, ok := err.(*Panic); ok {
		if cause, _ := context.Cause(ctx).(*Panic); p != cause { // else it may be the end of ctx
			passOn(&o.panicked, p)
		}
	}
	return v, err
}

// Cancel ends the goroutines, drops the chunks that are held, and cancels the source.
func (o *output[T]) Cancel(cause error) (err error) {
	o.ended.Do(func() {
		err = o.cancel(cause)
	})
	return err
}

// Done returns a channel that is closed when no Pull waits any more.
func (o *output[T]) Done() <-chan struct{} { return o.q.Done() }

// passOn panics with p, once.
func passOn(once *sync.Once, p *Panic) {
	first := false
	once.Do(func() { first = true })
	if first {
		panic(p)
	}
}
