// Package gate is a lock whose wait a context can end.
package gate

import "context"

// A Gate is a lock that its waiters get in the order they came, and whose end lets all of them go.
// All methods may be called at once.
type Gate struct {
	held chan struct{}   // holds one value while somebody holds the gate
	end  <-chan struct{} // closed by the owner when there is nothing left to wait for
}

// New returns a gate that nobody holds. The close of end ends all waits; a nil end never comes.
func New(end <-chan struct{}) Gate {
	return Gate{held: make(chan struct{}, 1), end: end}
}

// Lock waits for the gate and reports whether it got it: false says that ctx or the gate had ended.
// Waiters are served in the order they came, as a channel serves its senders.
func (g Gate) Lock(ctx context.Context) bool {
	if g.TryLock() {
		return true
	}
	select {
	case g.held <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	case <-g.end:
		return false
	}
}

// TryLock takes the gate if nobody holds it and nobody waits.
func (g Gate) TryLock() bool {
	select {
	case g.held <- struct{}{}:
		return true
	default:
		return false
	}
}

// Unlock hands the gate to the first who waits. Any goroutine may call it for the holder.
func (g Gate) Unlock() {
	select {
	case <-g.held:
	default:
		panic("gate: unlock of a gate that nobody holds")
	}
}
