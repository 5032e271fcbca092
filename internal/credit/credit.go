// Package credit is a window of credit: what may be held for a stream, in bytes.
package credit

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An Account counts the bytes held for a stream against its size. Credit is what is left of it, and is negative while the
// account is overdrawn. Taking and giving are an atomic operation each. All methods may be called at once, after Init.
type Account struct {
	size int64 // immutable
	held atomic.Int64
	most atomic.Int64 // the largest held

	watch func(spent bool, took time.Duration) // immutable after Watch

	mu      sync.Mutex
	spent   time.Duration // since epoch, when credit ran out; 0 while there is enough; guarded by mu
	stalled time.Duration // guarded by mu, as the next one
	short   bool          // a taker waits for more credit than there is
}

var epoch = time.Now()

// A Window is an Account for whose credit can be waited: a taker waits until there is some, and may then take more than
// that, so that a chunk larger than the window passes too.
//
// Those who wait are served in the order they came. While nobody does, taking and giving are an atomic operation
// each. All methods may be called at once, after Init.
type Window struct {
	Account
	slow  atomic.Bool // somebody waits, or the window has ended; stored under mu
	queue *queue      // nil until slow was true for the first time; guarded by mu
}

// A queue is who waits for a window, and what they wait for no longer.
type queue struct {
	waiters []*waiter // first come first
	spare   *waiter   // one whose wait is over, to be used again
	err     error     // ends the window
}

// A waiter waits until credit is at least need, then takes n.
type waiter struct {
	need, n int64
	err     error         // valid once the wait is over
	over    chan struct{} // gets a token when the wait is over
}

// Init sets the size, in bytes; one of zero or less has no bound.
//
// Watch, nil for none, is called when credit runs out, or is less than a taker waits for, and when
// there is enough again after it took so long; one call at a time, first the one, then the other.
// The account is locked then: watch calls none of its methods.
func (a *Account) Init(size int, watch func(spent bool, took time.Duration)) {
	a.size, a.watch = int64(size), watch
	if size <= 0 {
		a.size = math.MaxInt64
	}
}

// Take waits its turn until there is any credit, and takes n bytes of it, more than there is if it must.
// If ctx ends first it takes nothing and returns context.Cause(ctx); if the window ends, its error.
func (w *Window) Take(ctx context.Context, n int) error { return w.wait(ctx, 1, int64(n)) }

// TakeWithin waits its turn until n bytes fit, and takes them; it never overdraws unless n is larger than the
// window, which waits until nothing is held.
func (w *Window) TakeWithin(ctx context.Context, n int) error {
	return w.wait(ctx, min(int64(n), w.size), int64(n))
}

// Room waits its turn until n bytes fit, as TakeWithin does, and takes none.
func (w *Window) Room(ctx context.Context, n int) error { return w.wait(ctx, min(int64(n), w.size), 0) }

// Ready waits its turn until there is any credit, and takes none.
func (w *Window) Ready(ctx context.Context) error { return w.wait(ctx, 1, 0) }

// Fit waits its turn until the window is not overdrawn, and takes nothing.
func (w *Window) Fit(ctx context.Context) error { return w.wait(ctx, 0, 0) }

// TryTake takes n bytes if there is any credit and nobody waits for it.
func (w *Window) TryTake(n int) bool { return w.tryTake(1, int64(n)) }

// Force takes n bytes at once, whatever credit there is.
func (a *Account) Force(n int) { a.took(a.held.Add(int64(n)), int64(n)) }

// Give gives n bytes back.
func (a *Account) Give(n int) {
	if a.crosses(a.gave(n), int64(n)) {
		a.mu.Lock()
		a.clock()
		a.mu.Unlock()
	}
}

// gave notes that n bytes were given back, and returns what is held.
func (a *Account) gave(n int) (held int64) {
	held = a.held.Add(-int64(n))
	if held < 0 {
		panic("credit: more was given back than taken")
	}
	return held
}

// Give gives n bytes back and lets those go who waited for them.
func (w *Window) Give(n int) {
	held := w.gave(n)
	// Whoever queues up sets slow and then looks at held, so that one of the two sees the other.
	if w.slow.Load() || w.crosses(held, int64(n)) {
		w.mu.Lock()
		w.grant()
		w.mu.Unlock()
	}
}

// Close ends the window with err: all who wait, and all who come, get it. The first error stays.
func (w *Window) Close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queued()
	if q.err != nil {
		return
	}
	q.err = err
	w.slow.Store(true)
	for _, x := range q.waiters {
		x.end(err)
	}
	q.waiters = nil
	w.short = false
	w.clock()
}

// queued returns the queue. It expects mu to be held.
func (w *Window) queued() *queue {
	if w.queue == nil {
		w.queue = new(queue)
	}
	return w.queue
}

// Size is the size in bytes; 0 if there is no bound.
func (a *Account) Size() int {
	if a.size == math.MaxInt64 {
		return 0
	}
	return int(a.size)
}

// Credit is the size less what is held.
func (a *Account) Credit() int { return int(min(a.credit(), math.MaxInt)) }

// Usage tells the bytes held now, the most that ever were, and how long there was no credit, or not
// enough.
func (a *Account) Usage() (held, most int64, stalled time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stalled = a.stalled
	if a.spent != 0 {
		stalled += time.Since(epoch) - a.spent
	}
	return a.held.Load(), a.most.Load(), stalled
}

func (a *Account) credit() int64 { return a.size - a.held.Load() }

func (w *Window) wait(ctx context.Context, need, n int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.tryTake(need, n) {
		return nil
	}
	x := w.enqueue(need, n)
	select {
	case <-x.over:
	case <-ctx.Done():
		if w.leave(x) {
			return context.Cause(ctx)
		}
		<-x.over // granted in the meantime: what was taken is taken
	}
	return w.reuse(x)
}

// tryTake takes n bytes if credit is at least need and nobody waits.
func (w *Window) tryTake(need, n int64) bool {
	for !w.slow.Load() {
		held := w.held.Load()
		if w.size-held < need {
			return false
		}
		if n == 0 {
			return true
		}
		if w.held.CompareAndSwap(held, held+n) {
			w.took(held+n, n)
			return true
		}
	}
	return false
}

// took notes that n bytes were taken, and that held is the sum.
func (a *Account) took(held, n int64) {
	for most := a.most.Load(); held > most && !a.most.CompareAndSwap(most, held); {
		most = a.most.Load()
	}
	if a.crosses(held-n, n) {
		a.mu.Lock()
		a.clock()
		a.mu.Unlock()
	}
}

// crosses reports whether n bytes on top of held make the difference between some credit and none.
func (a *Account) crosses(held, n int64) bool { return held < a.size && a.size <= held+n }

// clock starts or stops the time without enough credit. It expects mu to be held.
func (a *Account) clock() {
	switch spent := a.short || a.credit() <= 0; {
	case spent && a.spent == 0:
		a.spent = time.Since(epoch)
		if a.watch != nil {
			a.watch(true, 0)
		}
	case !spent && a.spent != 0:
		took := time.Since(epoch) - a.spent
		a.stalled += took
		a.spent = 0
		if a.watch != nil {
			a.watch(false, took)
		}
	}
}

// enqueue queues up for n bytes.
func (w *Window) enqueue(need, n int64) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queued()
	x := q.spare
	if q.spare = nil; x == nil {
		x = &waiter{over: make(chan struct{}, 1)}
	}
	x.need, x.n, x.err = need, n, nil
	if q.err != nil {
		x.end(q.err)
		return x
	}
	w.slow.Store(true)
	q.waiters = append(q.waiters, x)
	w.grant() // something may have been given back before slow was set
	return x
}

// leave leaves the queue, and reports false if the wait was over before.
func (w *Window) leave(x *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queue
	i := slices.Index(q.waiters, x)
	if i < 0 {
		return false
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	w.grant() // those behind it may have waited for it alone
	return true
}

// reuse returns how the wait of x ended, and keeps x for the next.
func (w *Window) reuse(x *waiter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.spare = x
	return x.err
}

// grant serves waiters from the first on while credit suffices, and sees to the clock. It expects
// mu to be held.
func (w *Window) grant() {
	q := w.queue
	if q == nil {
		w.clock()
		return
	}
	for len(q.waiters) > 0 && w.credit() >= q.waiters[0].need {
		x := q.waiters[0]
		q.waiters = slices.Delete(q.waiters, 0, 1)
		w.short = false
		w.clock() // before it takes the rest
		if x.n > 0 {
			w.held.Add(x.n)
			w.most.Store(max(w.most.Load(), w.held.Load()))
		}
		x.end(nil)
	}
	w.short = len(q.waiters) > 0
	w.clock()
	if q.err == nil {
		w.slow.Store(len(q.waiters) > 0)
	}
}

// end ends the wait of x.
func (x *waiter) end(err error) {
	x.err = err
	x.over <- struct{}{}
}
