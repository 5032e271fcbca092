package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// The fixtures obey the contracts of package stream, and do what the program says.

// An item is a chunk. It says where it comes from, and which functions it went through.
type item struct {
	Src, N int    // the Nth of that source
	Sub    int    // which part of it, behind a FlatMap
	Tag    uint16 // mixed from the functions that it went through
}

func (v item) String() string { return fmt.Sprintf("%d.%d.%d#%04x", v.Src, v.N, v.Sub, v.Tag) }

// by returns v behind the function of the nth step.
func (v item) by(n int) item {
	v.Tag = v.Tag*31 + uint16(n) + 1
	return v
}

// size is the size of an item for a Strategy: 0 to 2.
func (v item) size() int { return v.N % 3 }

// An outside cause is that of a Cancel by the program, and not by a pipe.
type outside string

func (o outside) Error() string { return string(o) }

const ms = time.Millisecond

// gap returns the nth delay of a cycle.
func gap(gaps []int, n int) time.Duration {
	if len(gaps) == 0 {
		return 0
	}
	return time.Duration(gaps[n%len(gaps)]) * ms
}

// pause waits for d, unless ctx or done ends first.
func pause(ctx context.Context, d time.Duration, done <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-done:
	}
	return false
}

// A scripted source delivers its items, one for each gap, and then its end.
type scripted struct {
	items     []item
	gaps      []int
	end       error // nil: none, it stays idle
	panics    bool  // with end, once
	cancelErr error

	turn      chan struct{} // holds one value while no Pull runs
	cancelled chan struct{}
	once      sync.Once
	at        int
	over      bool // the end was returned
	panicked  bool
}

func newScripted(items []item, gaps []int) *scripted {
	s := &scripted{
		items:     items,
		gaps:      gaps,
		turn:      make(chan struct{}, 1),
		cancelled: make(chan struct{}),
	}
	s.turn <- struct{}{}
	return s
}

var errAgain = errors.New("the source has panicked")

func (s *scripted) Pull(ctx context.Context) (v item, err error) {
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	select {
	case <-s.turn:
	case <-s.cancelled:
		return v, io.EOF
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	if isDone(s.cancelled) {
		return v, io.EOF
	}
	idle := s.at == len(s.items) && s.end == nil
	wait := gap(s.gaps, s.at)
	switch {
	case idle:
		wait = time.Hour
	case s.over:
		wait = 0
	}
	switch {
	case !pause(ctx, wait, s.cancelled) || idle:
		if isDone(s.cancelled) {
			return v, io.EOF
		}
		return v, context.Cause(ctx)
	case s.at < len(s.items):
		s.at++
		return s.items[s.at-1], nil
	case s.panicked:
		return v, errAgain
	case s.panics:
		s.panicked, s.over = true, true
		panic(s.end)
	}
	s.over = true
	return v, s.end
}

func (s *scripted) Cancel(error) error {
	s.once.Do(func() { close(s.cancelled) })
	return s.cancelErr
}

// A sink is a Writable that takes its time, and refuses or ends as the program says.
type sink struct {
	gaps    []int
	stopAt  int // the Write of this number fails with err; negative: none
	err     error
	ends    bool          // that failure is the end; else only that chunk is refused
	stall   bool          // that Write waits for its context instead
	done    chan struct{} // closed at the end
	once    sync.Once
	mu      sync.Mutex
	failure error
	at      int
	turn    chan struct{}
}

func newSink() *sink {
	s := &sink{stopAt: -1, done: make(chan struct{}), turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

func (s *sink) finish(err error) {
	s.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failure = err
		close(s.done)
	})
}

func (s *sink) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

func (s *sink) Write(ctx context.Context, _ item) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-s.turn:
	case <-s.done:
		return s.failed()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	if isDone(s.done) {
		return s.failed()
	}
	wait := gap(s.gaps, s.at)
	stops := s.at == s.stopAt
	if stops && s.stall {
		wait = time.Hour
	}
	switch {
	case !pause(ctx, wait, s.done):
		if isDone(s.done) {
			return s.failed()
		}
		return context.Cause(ctx)
	case stops:
		if s.ends {
			s.finish(s.err)
		} else {
			s.at++
		}
		return s.err
	}
	s.at++
	return nil
}

func (s *sink) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.finish(errClosed)
	if err := s.failed(); err != errClosed {
		return err
	}
	return nil
}

func (s *sink) Abort(cause error) error {
	if cause == nil {
		cause = errClosed
	}
	s.finish(cause)
	return nil
}

// A notifying sink tells when it has ended.
type notifying struct{ *sink }

func (n notifying) Done() <-chan struct{} { return n.done }

// A limiter grants after a delay, and fails at a grant.
type limiter struct {
	w      *world
	wait   time.Duration
	failAt int // negative: none
	err    error
	panics bool
	// Guarded by the world's mu.
	waiting, granted int
	failed           bool
}

func (l *limiter) Wait(ctx context.Context) error {
	l.w.mu.Lock()
	l.waiting++
	if _, dated := ctx.Deadline(); dated {
		l.w.faultLocked("throttle: the context of Wait has a deadline")
	}
	l.w.stampLocked("limiter: Wait")
	l.w.mu.Unlock()
	ok := ctx.Err() == nil && pause(ctx, l.wait, nil)
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.waiting--
	switch {
	case !ok:
		l.w.stampLocked("limiter: left")
		return context.Cause(ctx)
	case l.granted == l.failAt:
		l.failed = true
		l.w.stampLocked("limiter: fails")
		if l.panics {
			panic(l.err)
		}
		return l.err
	}
	l.granted++
	l.w.stampLocked("limiter: grants")
	return nil
}
