package wsstream

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// An alarm is a net.Conn's deadline as contexts. Each context ends with os.ErrDeadlineExceeded when
// the deadline passes. A deadline that is set after that begins a new context. Moving a deadline
// also applies to calls that already wait.
type alarm struct {
	mu    sync.Mutex
	term  *term       // guarded by mu
	timer *time.Timer // ends term; nil: no deadline is to come; guarded by mu
}

// A term is the context until a deadline passes.
type term struct {
	context.Context
	end context.CancelCauseFunc
}

func newTerm() *term {
	t := new(term)
	t.Context, t.end = context.WithCancelCause(context.Background())
	return t
}

// current returns the context for a call that begins now.
func (a *alarm) current() *term {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.term
}

// set moves the deadline to t. The zero time is no deadline.
func (a *alarm) set(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil && !a.timer.Stop() {
		<-a.term.Done() // the timer is ending it
	}
	a.timer = nil
	if a.term.Err() != nil {
		a.term = newTerm()
	}
	if t.IsZero() {
		return
	}
	end := a.term.end
	if wait := time.Until(t); wait > 0 {
		a.timer = time.AfterFunc(wait, func() { end(os.ErrDeadlineExceeded) })
	} else {
		end(os.ErrDeadlineExceeded)
	}
}

// A callContext is a context for work that several calls do, one after another. It forwards its
// methods to the context of the current call. The reader of a message has one context for all its
// Reads, and each Read has a deadline of its own.
type callContext struct{ call atomic.Pointer[term] }

func (c *callContext) Deadline() (time.Time, bool) { return c.call.Load().Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.call.Load().Done() }
func (c *callContext) Err() error                  { return c.call.Load().Err() }
func (c *callContext) Value(key any) any           { return c.call.Load().Value(key) }
