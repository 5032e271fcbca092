package stream

import "context"

// A waiter is a call that waits in a Queue.
type waiter[T any] struct {
	prev, next *waiter[T]
	in         *waiters[T] // the list that it is in; nil once it was served

	kind waitKind
	v    T      // a write's chunk on its way in, a pull's on its way out
	size uint64 // of a write's chunk
	err  error  // what the call returns once served; what a closing call ends the stream with

	woken chan struct{} // holds one value once the call is served
}

type waitKind uint8

const (
	waitPull waitKind = iota
	waitWrite
	waitReady
	waitClose
)

// wait waits until w is served or ctx ends, and reports whether w was served.
func (w *waiter[T]) wait(ctx context.Context) (served bool) {
	done := ctx.Done()
	if done == nil {
		<-w.woken
		return true
	}
	select {
	case <-w.woken:
		return true
	case <-done:
		return false
	}
}

// waiters is a list of calls, in the order they came.
type waiters[T any] struct{ first, last *waiter[T] }

func (l *waiters[T]) push(w *waiter[T]) {
	w.in, w.prev, w.next = l, l.last, nil
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
}

func (l *waiters[T]) remove(w *waiter[T]) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
}

// serve removes w from the list, and makes its call return err.
func (l *waiters[T]) serve(w *waiter[T], err error) {
	l.remove(w)
	w.err = err
	w.woken <- struct{}{}
}

// waitTurnUnlocks waits among the writers. It unlocks mu.
func (q *Queue[T]) waitTurnUnlocks(ctx context.Context, w *waiter[T]) error {
	q.writers.push(w)
	q.settleLocked()
	q.mu.Unlock()
	_, err := q.wait(ctx, w)
	return err
}

// wait waits until w is served or ctx ends, and takes w back.
func (q *Queue[T]) wait(ctx context.Context, w *waiter[T]) (v T, err error) {
	served := w.wait(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !served && w.in != nil {
		w.in.remove(w)
		w.err = context.Cause(ctx)
		q.settleLocked() // the calls behind it may have waited for it alone
	} else if !served {
		<-w.woken
	}
	err = w.err
	if w.kind == waitPull {
		v = w.v
	}
	var none T
	w.v, w.err = none, nil
	w.next, q.free = q.free, w
	return v, err
}

// waiterLocked returns a waiter that is in no list.
func (q *Queue[T]) waiterLocked(kind waitKind) *waiter[T] {
	w := q.free
	if w == nil {
		w = &waiter[T]{woken: make(chan struct{}, 1)}
	} else {
		q.free, w.next = w.next, nil
	}
	w.kind = kind
	return w
}
