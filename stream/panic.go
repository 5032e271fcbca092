package stream

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errPanicked is the error that the ends of a stream are shut with, when a function of the stream
// has panicked.
var errPanicked = errors.New("stream: a function of the stream panicked")

// errGone is the error of a function that ended its goroutine, as the FailNow of a test does.
var errGone = errors.New("stream: a function of the stream ended its goroutine")

// A Panic is a panic of a function that ran on a goroutine of a stream ([Parallel], [Stage], [Tee],
// [Merge]). The Pull that reaches it panics with the *Panic, once. Later Pulls return the *Panic as
// an error. If the function runs on the goroutine that pulls, Pull panics with the function's own
// value. In both cases both ends of the stream are shut.
//
// A function that ends its goroutine (runtime.Goexit, the FailNow of a test) fails the stream with
// an error that says so.
type Panic struct {
	Value any    // of the function's panic
	Stack []byte // of its goroutine, as debug.Stack prints it
}

// Error returns the value and the stack.
func (p *Panic) Error() string { return fmt.Sprintf("stream: panic: %v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// asPanic makes a *Panic of the value that recover returned, on the goroutine that panicked.
func asPanic(v any) *Panic {
	if p, ok := v.(*Panic); ok {
		return p // of an operator further up the stream
	}
	return &Panic{v, debug.Stack()}
}

// catch calls f, and then done with its error. That is a *Panic if f panicked, and errGone if f
// ended its goroutine, which then ends after done.
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

// mustFunc panics if the caller left a function out: a programming error.
func mustFunc(missing bool, of string) {
	if missing {
		panic("stream: nil function given to " + of)
	}
}
