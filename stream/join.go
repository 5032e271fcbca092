package stream

import (
	"context"
	"errors"
	"sync"
)

// Join relays between a and b until both ways have ended: what can be pulled from one is written to the other, as two
// Pipes would, with one end. When one way ends well it closes its destination, and the other goes on until it ends
// too, as a closed connection makes it. When one way fails, so does the other, with the same error, which Join
// returns: all four halves are shut then. That a destination was closed while there was more for it is an end, and no
// failure; so when one side leaves, Join returns nil. When ctx ends, Join returns its cause.
//
// One of the two ways runs on a goroutine that ends before Join returns. A panic in it is passed on as *Panic.
func Join[A, B any](ctx context.Context, a Duplex[A, B], b Duplex[B, A]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := func(err error) {
		if err != nil && !errors.Is(err, ErrClosed) {
			cancel(err) // the first counts
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait() // if this goroutine ends in its Pipe
	wg.Go(func() {  // owned by Join; ends with its Pipe, which fails when the other way does
		catch(func() error { return Pipe(ctx, a.Writable, b.Readable, nil) }, ended)
	})
	catch(func() error { return Pipe(ctx, b.Writable, a.Readable, nil) }, ended)
	wg.Wait()
	err := context.Cause(ctx)
	if p, ok := err.(*Panic); ok {
		panic(p)
	}
	return err
}
