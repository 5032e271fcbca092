// Package gate has a lock. A context can end the wait for it.
package gate

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Gate is a lock that its waiters get in order. The zero Gate is free. All methods may be called
// concurrently.
type Gate struct {
	state atomic.Int32          // free, held or wanted
	queue atomic.Pointer[queue] // nil until a call waits, unless the gate has an end
}

// A queue has the calls that wait for a gate.
type queue struct {
	end     <-chan struct{} // ends all waits; nil for none
	mu      sync.Mutex
	waiters []chan struct{} // each is closed when its turn comes; in order; guarded by mu
}

// An End is an event that ends a wait. Done is called only when a call waits. A *latch.Latch and a
// context.Context are Ends.
type End interface{ Done() <-chan struct{} }

const (
	free   = iota
	held   // without waiters
	wanted // held, with waiters; the queue's mu must be held to leave this state
)

// New returns a free gate. Closing end ends all waits. A nil end never comes.
func New(end <-chan struct{}) *Gate {
	g := new(Gate)
	if end != nil {
		g.queue.Store(&queue{end: end})
	}
	return g
}

// TryLock locks the gate if it is free, and reports whether it did.
func (g *Gate) TryLock() bool { return g.state.CompareAndSwap(free, held) }

// Free reports whether the gate is free.
func (g *Gate) Free() bool { return g.state.Load() == free }

// Lock waits for the gate, and reports whether it has locked it. It returns false if ctx or the
// gate ended first. Waiters are served in order.
func (g *Gate) Lock(ctx context.Context) bool { return g.TryLock() || g.wait(ctx, nil) }

// LockUntil is Lock, with end in place of the end of the gate.
func (g *Gate) LockUntil(ctx context.Context, end End) bool {
	return g.TryLock() || g.wait(ctx, end)
}

func (g *Gate) wait(ctx context.Context, end End) bool {
	turn := g.join()
	if turn == nil {
		return true
	}
	q := g.queue.Load()
	over := q.end
	if end != nil {
		over = end.Done()
	}
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	case <-over:
	}
	return !g.leave(q, turn)
}

// join joins the queue, or returns nil if it has locked the gate after all.
func (g *Gate) join() (turn chan struct{}) {
	if g.queue.Load() == nil {
		g.queue.CompareAndSwap(nil, new(queue))
	}
	q := g.queue.Load()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !g.state.CompareAndSwap(held, wanted) && g.state.Load() != wanted {
		if g.TryLock() {
			return nil
		}
	}
	turn = make(chan struct{})
	q.waiters = append(q.waiters, turn)
	return turn
}

// leave leaves the queue. It reports false if the gate was handed over in the meantime.
func (g *Gate) leave(q *queue, turn chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiters, turn)
	if i < 0 {
		return false
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	if len(q.waiters) == 0 {
		g.state.Store(held)
	}
	return true
}

// Unlock hands the gate to the first waiter. The goroutine that calls it need not be the one that
// locked the gate.
func (g *Gate) Unlock() {
	if !g.state.CompareAndSwap(held, free) {
		g.handOver()
	}
}

// handOver is Unlock of a gate that had waiters.
func (g *Gate) handOver() {
	q := g.queue.Load()
	if q == nil {
		panic(errFree)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.state.CompareAndSwap(held, free) { // the waiters have left
		return
	}
	if g.state.Load() != wanted {
		panic(errFree)
	}
	turn := q.waiters[0]
	if q.waiters = slices.Delete(q.waiters, 0, 1); len(q.waiters) == 0 {
		g.state.Store(held)
	}
	close(turn)
}

const errFree = "gate: unlock of a free gate"
