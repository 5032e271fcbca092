package stream

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// An interrupter ends a Read or Write that blocks, when a context ends. It sets a deadline in the
// past if there are deadlines. Else it closes if it can. Else it does nothing.
//
// To arm a context costs more than a small Read. So a context stays armed until a call with another
// context comes.
type interrupter struct {
	deadline func(time.Time) error // nil if there is none
	closing  func(error) error     // nil if there is none; called once

	mu sync.Mutex
	// Guarded by mu.
	busy    bool            // a call is in progress
	current <-chan struct{} // the Done of its context
	armed   <-chan struct{} // the Done of the context that is armed
	disarm  func() bool
	poked   bool // a deadline in the past was set
	closed  bool
	cut     error // the cause of the context whose end has closed
	stopped bool
}

// begin begins a call. It returns false if the call must not begin: ctx has ended, or stop was
// called.
func (i *interrupter) begin(ctx context.Context) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	done := ctx.Done()
	// With mu held: an end that comes later finds the call busy.
	if i.stopped || ctx.Err() != nil {
		return false
	}
	i.busy, i.current = true, done
	if i.current != nil && i.current != i.armed && (i.deadline != nil || i.closing != nil) {
		i.releaseLocked()
		i.armed = done
		i.disarm = context.AfterFunc(ctx, func() { i.ctxEnded(done, context.Cause(ctx)) })
	}
	return true
}

// end ends a call that returned err, and reports whether err is the deadline that was set.
func (i *interrupter) end(err error) (poked bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.busy = false
	if !i.poked {
		return false
	}
	i.poked = false
	_ = i.deadline(time.Time{})
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// ctxEnded ends the call in progress, if it is a call with the context that has ended.
func (i *interrupter) ctxEnded(done <-chan struct{}, cause error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy && i.current == done {
		i.pokeLocked(cause)
	}
}

// pokeLocked ends the call in progress.
func (i *interrupter) pokeLocked(cause error) {
	if i.deadline != nil {
		switch err := i.deadline(time.Unix(1, 0)); {
		case err == nil:
			i.poked = true
			return
		case errors.Is(err, io.ErrClosedPipe): // of a net.Pipe that has ended: no call blocks
			return
		}
	}
	if !i.closed && i.closing != nil {
		i.cut = cause
	}
	_ = i.shutLocked(context.Canceled)
}

// stop ends the call in progress, refuses later calls, and closes.
func (i *interrupter) stop(cause error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	i.releaseLocked()
	if i.busy && i.deadline != nil && i.deadline(time.Unix(1, 0)) == nil {
		i.poked = true
	}
	return i.shutLocked(cause)
}

// shutLocked closes, once.
func (i *interrupter) shutLocked(cause error) error {
	if i.closed || i.closing == nil {
		return nil
	}
	i.closed = true
	return i.closing(cause)
}

// cutBy returns the cause of the context whose end has closed, or nil. The call of that context may
// have returned without an error: its end and that of the context are concurrent.
func (i *interrupter) cutBy() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cut
}

// releaseLocked disarms the context that is armed.
func (i *interrupter) releaseLocked() {
	if i.disarm != nil {
		i.disarm()
		i.disarm, i.armed = nil, nil
	}
}

// closerOf returns how v is closed: with the cause if v has a CloseWithError, as the ends of an
// io.Pipe have.
func closerOf(v any) func(error) error {
	switch c := v.(type) {
	case interface{ CloseWithError(err error) error }:
		return c.CloseWithError
	case io.Closer:
		return func(error) error { return c.Close() }
	}
	return nil
}
