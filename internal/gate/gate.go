// Package gate is a lock whose wait a context can end.
package gate

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/wsstream/wsstream/internal/latch"
)

// A Gate is a lock that its waiters get in the order they came, and whose end lets all of them go. The zero Gate is held by
// nobody and has no end. All methods may be called at once.
type Gate struct {
	state atomic.Int32    // free, held or wanted
	end   <-chan struct{} // closed by the owner when there is nothing left to wait for
	latch *latch.Latch    // the same, for an owner who has one

	mu      sync.Mutex
	waiters []chan struct{} // closed for the one whose turn it is; first come first; guarded by mu
}

const (
	free   = iota
	held   // and nobody waits
	wanted // held, and there are waiters: only who holds mu takes it out of this state
)

// New returns a gate that nobody holds. The close of end ends all waits; a nil end never comes.
func New(end <-chan struct{}) *Gate { return &Gate{end: end} }

// Until has the close of end end all waits. It is called before all other methods.
func (g *Gate) Until(end *latch.Latch) { g.latch = end }

// TryLock takes the gate if nobody holds it and nobody waits.
func (g *Gate) TryLock() bool { return g.state.CompareAndSwap(free, held) }

// Free reports whether nobody holds the gate.
func (g *Gate) Free() bool { return g.state.Load() == free }

// Lock waits for the gate and reports whether it got it: false says that ctx or the gate had ended.
// Waiters are served in the order they came.
func (g *Gate) Lock(ctx context.Context) bool {
	if g.TryLock() {
		return true
	}
	turn := g.queue()
	if turn == nil {
		return true
	}
	end := g.end
	if g.latch != nil {
		end = g.latch.Done()
	}
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	case <-end:
	}
	return !g.leave(turn)
}

// queue queues up, or returns nil if it got the gate after all.
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

// leave leaves the queue, and reports false if the gate was handed over in the meantime.
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

// Unlock hands the gate to the first who waits. Any goroutine may call it for the holder.
func (g *Gate) Unlock() {
	if g.state.CompareAndSwap(held, free) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.CompareAndSwap(held, free) { // who waited has left
		return
	}
	if g.state.Load() != wanted {
		panic("gate: unlock of a gate that nobody holds")
	}
	turn := g.waiters[0]
	g.waiters[0] = nil
	if g.waiters = g.waiters[1:]; len(g.waiters) == 0 {
		g.state.Store(held)
	}
	close(turn)
}
