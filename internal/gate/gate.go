// Package gate has a lock. A context can end the wait for it.
package gate

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Gate is a lock that its waiters get in order. If the gate has an end, that ends all waits. The
// zero Gate is free and has no end. All methods may be called concurrently.
type Gate struct {
	state atomic.Int32 // free, held or wanted
	end   End          // ends all waits; nil for none

	mu      sync.Mutex
	waiters []chan struct{} // each is closed when its turn comes; in order; guarded by mu
}

// An End is an event that ends all waits for a gate. The gate calls Done only when a call waits. A
// *latch.Latch and a context.Context are Ends.
type End interface{ Done() <-chan struct{} }

// channel is the End that comes when the channel is closed.
type channel <-chan struct{}

func (c channel) Done() <-chan struct{} { return c }

const (
	free   = iota
	held   // without waiters
	wanted // held, with waiters; mu must be held to leave this state
)

// New returns a free gate. Closing end ends all waits. A nil end never comes.
func New(end <-chan struct{}) *Gate { return &Gate{end: channel(end)} }

// Until makes end the end of all waits. It must be called before all other methods.
func (g *Gate) Until(end End) { g.end = end }

// TryLock locks the gate if it is free, and reports whether it did.
func (g *Gate) TryLock() bool { return g.state.CompareAndSwap(free, held) }

// Free reports whether the gate is free.
func (g *Gate) Free() bool { return g.state.Load() == free }

// Lock waits for the gate, and reports whether it has locked it. It returns false if ctx or the
// gate ended first. Waiters are served in order.
func (g *Gate) Lock(ctx context.Context) bool {
	if g.TryLock() {
		return true
	}
	turn := g.queue()
	if turn == nil {
		return true
	}
	var end <-chan struct{}
	if g.end != nil {
		end = g.end.Done()
	}
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	case <-end:
	}
	return !g.leave(turn)
}

// queue joins the queue, or returns nil if it has locked the gate after all.
func (g *Gate) queue() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.state.CompareAndSwap(held, wanted) && g.state.Load() != wanted {
		if g.TryLock() {
			return nil
		}
	}
	turn := make(chan struct{})
	g.waiters = append(g.waiters, turn)
	return turn
}

// leave leaves the queue. It reports false if the gate was handed over in the meantime.
func (g *Gate) leave(turn chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiters {
		if w == turn {
			g.waiters = append(g.waiters[:i], g.waiters[i+1:]...)
			if len(g.waiters) == 0 {
				g.state.Store(held)
			}
			return true
		}
	}
	return false
}

// Unlock hands the gate to the first waiter. The goroutine that calls it need not be the one that
// locked the gate.
func (g *Gate) Unlock() {
	if g.state.CompareAndSwap(held, free) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.CompareAndSwap(held, free) { // the waiters have left
		return
	}
	if g.state.Load() != wanted {
		panic("gate: unlock of a free gate")
	}
	turn := g.waiters[0]
	g.waiters[0] = nil
	if g.waiters = g.waiters[1:]; len(g.waiters) == 0 {
		g.state.Store(held)
	}
	close(turn)
}
