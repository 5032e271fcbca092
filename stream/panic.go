package stream

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errPanicked is what the ends of a stream are shut with when a function in it panicked.
var errPanicked = errors.New("stream: a function of the stream panicked")

// errGone is the error of a function that ended its goroutine, as the FailNow of a test does.
var errGone = errors.New("stream: a function of the stream ended its goroutine")

// A Panic is a panic of a function that ran on a goroutine of the stream's (Parallel, Stage, Tee, Merge). The Pull
// that comes upon it panics with the *Panic, once; later ones return it as an error. A function that runs on the
// puller's goroutine panics there, as it is. Either way both ends of the stream are shut. A function that ends its
// goroutine (runtime.Goexit, the FailNow of a test) fails the stream with an error that says so.
type Panic struct {
	Value any    // what the function panicked with
	Stack []byte // where, as debug.Stack prints it
}

// Error tells the value and the stack.
func (p *Panic) Error() string { return fmt.Sprintf("stream: panic: %v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// asPanic makes a *Panic of what recover returned, on the goroutine that panicked.
func asPanic(v any) *Panic {
	if p, ok := v.(*Panic); ok {
		return p // it came from further up the stream
	}
	return &Panic{v, debug.Stack()}
}

// catch calls f, and then done with its error: a *Panic if it panicked, errGone if it ended its goroutine, which then
// ends behind done.
func catch(f func() error, done func(error)) {
	err := errGone
	defer func() {
		if v := recover(); v != nil {
			err = asPanic(v)
		}
		done(err)
	}()
	err = f()
}
