package stream

import (
	"cmp"
	"context"
	"sync"
)

// A sinkEnd is the end of a Writable that sends to a chan or writes to an io.Writer.
type sinkEnd struct {
	done chan struct{} // closed when the end is decided

	mu  sync.Mutex
	end error // of Writes, once done is closed; guarded by mu
}

func newSinkEnd() sinkEnd { return sinkEnd{done: make(chan struct{})} }

// Done returns a channel that is closed when the end is decided.
func (s *sinkEnd) Done() <-chan struct{} { return s.done }

// Ready returns the error of the end. It never waits: neither an io.Writer nor a chan tells when it
// has room.
func (s *sinkEnd) Ready(ctx context.Context) error {
	if ctx.Err() != nil || isDone(s.done) {
		return s.endOr(ctx)
	}
	return nil
}

// finish decides the end, and reports whether it had not been decided before.
func (s *sinkEnd) finish(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return false
	}
	s.end = err
	close(s.done)
	return true
}

// endOr returns the error of the end. Before the end it returns the cause of ctx.
func (s *sinkEnd) endOr(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.end, context.Cause(ctx))
}
