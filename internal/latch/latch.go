// Package latch has an event that happens once. The event needs a channel only if a goroutine waits
// for it.
package latch

import "sync/atomic"

// A Latch is open at first, and is closed once. The zero Latch is open. All methods may be called
// concurrently.
type Latch struct {
	event atomic.Pointer[event] // nil until Done or Close is called
}

// An event is what goroutines wait for.
type event struct {
	closed atomic.Bool
	done   chan struct{}
}

func newEvent() *event { return &event{done: make(chan struct{})} }

// over is the event of all latches that were closed before a call of Done.
var over = func() *event {
	e := newEvent()
	e.close()
	return e
}()

func (e *event) close() bool {
	if !e.closed.CompareAndSwap(false, true) {
		return false
	}
	close(e.done)
	return true
}

// Close closes the latch and reports true if it was open.
func (l *Latch) Close() bool {
	return l.event.CompareAndSwap(nil, over) || l.event.Load().close()
}

// Closed reports whether the latch is closed.
func (l *Latch) Closed() bool {
	e := l.event.Load()
	return e != nil && e.closed.Load()
}

// Done returns a channel that is closed with the latch. All calls return the same channel.
func (l *Latch) Done() <-chan struct{} {
	if l.event.Load() == nil {
		l.event.CompareAndSwap(nil, newEvent())
	}
	return l.event.Load().done
}
