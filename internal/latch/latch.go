// Package latch has an event that happens once. The event needs a channel only if a goroutine waits
// for it.
package latch

import (
	"sync"
	"sync/atomic"
)

// A Latch is open at first, and is closed once. The zero Latch is open. All methods may be called
// concurrently.
type Latch struct {
	closed atomic.Bool
	mu     sync.Mutex
	done   chan struct{} // nil until Done is called; guarded by mu
}

// Close closes the latch and reports true if it was open. Before other calls see the latch as
// closed, Close calls the function first, which may be nil.
func (l *Latch) Close(first func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() {
		return false
	}
	if first != nil {
		first()
	}
	l.closed.Store(true)
	if l.done != nil {
		close(l.done)
	}
	return true
}

// Closed reports whether the latch is closed.
func (l *Latch) Closed() bool { return l.closed.Load() }

// Done returns a channel that is closed with the latch.
func (l *Latch) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.closed.Load() {
			close(l.done)
		}
	}
	return l.done
}
