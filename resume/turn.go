package resume

import (
	"context"
	"slices"
	"sync"
)

// A signal wakes all goroutines that wait for a change. The lock of its owner guards it.
type signal struct{ c chan struct{} } // nil while no goroutine waits

// wait waits until the signal is fired, or ctx ends. mu must be held, and is held when wait
// returns.
func (s *signal) wait(ctx context.Context, mu *sync.Mutex) {
	if s.c == nil {
		s.c = make(chan struct{})
	}
	fired := s.c
	mu.Unlock()
	defer mu.Lock()
	select {
	case <-fired:
	case <-ctx.Done():
	}
}

func (s *signal) fire() {
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}

// A turn is a lock that is served in order, and whose wait a context can end. The mutex of its
// owner guards it.
type turn struct {
	held    bool
	waiters []chan struct{} // each is closed when its goroutine has the turn
}

// take waits for the turn. mu must be held, and is held when take returns.
func (t *turn) take(ctx context.Context, mu *sync.Mutex) error {
	if !t.held {
		t.held = true
		return nil
	}
	c := make(chan struct{})
	t.waiters = append(t.waiters, c)
	mu.Unlock()
	select {
	case <-c:
		mu.Lock()
		return nil
	case <-ctx.Done():
	}
	mu.Lock()
	if i := slices.Index(t.waiters, c); i >= 0 {
		t.waiters = slices.Delete(t.waiters, i, i+1)
	} else {
		t.pass()
	}
	return context.Cause(ctx)
}

// pass gives the turn to the next goroutine. mu must be held.
func (t *turn) pass() {
	if len(t.waiters) == 0 {
		t.held = false
		return
	}
	close(t.waiters[0])
	t.waiters = slices.Delete(t.waiters, 0, 1)
}
