package main

import (
	"context"
	"sync"

	"golang.org/x/time/rate"
)

const fastest = 64 << 20 // bytes a second

// A speed limits how many messages of the flood pass in a second. It may be changed, also from
// zero. It is what stream.Throttle asks.
type speed struct {
	limiter *rate.Limiter

	mu      sync.Mutex
	changed chan struct{} // closed by the next set
}

func newSpeed(bytes float64) *speed {
	s := &speed{limiter: rate.NewLimiter(0, 1), changed: make(chan struct{})}
	s.set(bytes)
	return s
}

// set sets the speed in bytes a second.
func (s *speed) set(bytes float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limiter.SetLimit(rate.Limit(min(max(bytes, 0), fastest) / chunk))
	close(s.changed)
	s.changed = make(chan struct{})
}

// Wait waits until a message may pass. While the speed is zero, it waits for a change.
func (s *speed) Wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		stopped, changed := s.limiter.Limit() == 0, s.changed
		s.mu.Unlock()
		if !stopped {
			return s.limiter.Wait(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
