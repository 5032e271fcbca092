package stream

import (
	"cmp"
	"context"
	"io"
	"sync"

	"github.com/wsstream/wsstream/internal/gate"
)

// FromChan returns the chunks that c delivers. The close of c is a clean end, and a channel has no
// other. A nil channel delivers nothing.
//
// Cancel does not take the chunks that are in c. It also does not stop the goroutine that sends to
// c: you must stop it in another way. FromChan starts no goroutine.
func FromChan[T any](c <-chan T) Readable[T] {
	return &chanSource[T]{c: c, cancelled: make(chan struct{})}
}

type chanSource[T any] struct {
	c         <-chan T
	cancelled chan struct{} // closed by Cancel
	once      sync.Once
}

// Pull receives.
func (s *chanSource[T]) Pull(ctx context.Context) (none T, err error) {
	switch {
	case ctx.Err() != nil:
		return none, context.Cause(ctx)
	case isDone(s.cancelled):
		return none, io.EOF
	}
	select {
	case v, ok := <-s.c: // a value that is there comes first
		return received(v, ok)
	default:
	}
	select {
	case v, ok := <-s.c:
		return received(v, ok)
	case <-s.cancelled:
		return none, io.EOF
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

func received[T any](v T, ok bool) (T, error) {
	if !ok {
		return v, io.EOF
	}
	return v, nil
}

// Cancel ends the stream.
func (s *chanSource[T]) Cancel(error) error {
	s.once.Do(func() { close(s.cancelled) })
	return nil
}

// ToChan returns a [Writable] that sends to c. Write waits until c takes the chunk; TryWrite does
// not wait. Close and Fail take their turn and close c. Abort closes c, too, after the Write in
// progress, which fails.
//
// A channel cannot pass an error on, so check the error that [Pipe] returns. A channel cannot tell
// when it has room, so Ready never waits. Nothing but ToChan may close c. ToChan starts no
// goroutine.
func ToChan[T any](c chan<- T) Writable[T] {
	s := &chanSink[T]{c: c, sinkEnd: newSinkEnd()}
	s.gate = gate.New(s.done)
	return s
}

type chanSink[T any] struct {
	c    chan<- T
	gate *gate.Gate // to send
	sinkEnd
	was bool // c was closed; guarded by mu
}

// Write sends v.
func (s *chanSink[T]) Write(ctx context.Context, v T) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !s.gate.Lock(ctx) {
		return s.endOr(ctx)
	}
	defer s.leave()
	if isDone(s.done) {
		return s.endOr(ctx)
	}
	select {
	case s.c <- v:
		return nil
	case <-s.done:
	case <-ctx.Done():
	}
	return s.endOr(ctx)
}

// TryWrite sends v if c takes it without waiting and no Write is in progress.
func (s *chanSink[T]) TryWrite(v T) (bool, error) {
	if isDone(s.done) {
		return false, s.endOr(context.Background())
	}
	if !s.gate.TryLock() {
		return false, nil
	}
	defer s.leave()
	if isDone(s.done) {
		return false, s.endOr(context.Background())
	}
	select {
	case s.c <- v:
		return true, nil
	default:
		return false, nil
	}
}

// Close takes its turn, and closes c.
func (s *chanSink[T]) Close(ctx context.Context) error {
	if err := s.Fail(ctx, ErrClosed); err != nil {
		return err
	}
	return closeResult(io.EOF, s.endOr(ctx))
}

// Fail takes its turn, and closes c. Later Writes fail with cause.
func (s *chanSink[T]) Fail(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.gate.Lock(ctx) {
		defer s.leave()
		s.finish(cmp.Or(cause, ErrClosed))
		return nil
	}
	if isDone(s.done) {
		return nil
	}
	return context.Cause(ctx)
}

// Abort ends the Write in progress and closes c.
func (s *chanSink[T]) Abort(cause error) error {
	s.finish(cmp.Or(cause, ErrClosed))
	if s.gate.TryLock() {
		s.leave()
	}
	return nil
}

// leave closes c once the end is decided, and unlocks the gate. The last goroutine to unlock it
// closes c.
func (s *chanSink[T]) leave() {
	for {
		if s.owed() {
			s.mu.Lock()
			s.was = true
			s.mu.Unlock()
			close(s.c)
		}
		s.gate.Unlock()
		if !s.owed() || !s.gate.TryLock() {
			return
		}
	}
}

// owed reports whether c is still to be closed.
func (s *chanSink[T]) owed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != nil && !s.was
}
