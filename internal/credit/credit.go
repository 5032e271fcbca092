// Package credit has windows of credit. A window says how many bytes may be buffered for a stream.
package credit

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An Account counts the bytes that are buffered for a stream. Its credit is its size minus these
// bytes. The credit is negative while the account is overdrawn. Taking and giving are an atomic
// operation each. All methods may be called concurrently, after Init.
type Account struct {
	size int64        // constant after Init
	held atomic.Int64 // bytes that are buffered
	most atomic.Int64 // the maximum of held

	watch func(spent bool, took time.Duration) // constant after Init

	mu      sync.Mutex    // guards all below
	spent   time.Duration // since epoch, when credit ran out; 0 while there is enough
	stalled time.Duration // without enough credit, up to spent
	short   bool          // a taker waits for more credit than there is
}

var epoch = time.Now()

// A Window is an Account whose credit callers can wait for. A taker waits until there is some
// credit, and may then take more. So a chunk that is larger than the window passes, too.
//
// Callers that wait are served in the order they came. While none waits, taking and giving are an
// atomic operation each. All methods may be called concurrently, after Init.
type Window struct {
	Account
	slow  atomic.Bool // a taker waits, or the window has ended; stored under mu
	queue *queue      // nil until slow is true for the first time; guarded by mu
}

// A queue has the takers that wait for a window.
type queue struct {
	waiters []*waiter // first come first
	spare   *waiter   // its wait is over; to be used again
	err     error     // has ended the window; nil: none
}

// A waiter waits until the credit is at least need, then takes n.
type waiter struct {
	need, n int64
	err     error         // valid once the wait is over
	over    chan struct{} // gets a token when the wait is over
}

// Init sets the size, in bytes. If size is zero or negative, there is no limit.
//
// watch, if it is not nil, is called when the credit runs out, or is less than a taker waits for.
// It is called again when there is enough, with the time since then. The two calls alternate. The
// account is locked then: watch must call none of its methods.
func (a *Account) Init(size int, watch func(spent bool, took time.Duration)) {
	a.size, a.watch = int64(size), watch
	if size <= 0 {
		a.size = math.MaxInt64
	}
}

// Take waits its turn until there is any credit, and takes n bytes, even if that overdraws the
// window. If ctx ends first, it takes nothing and returns context.Cause(ctx). If the window ends,
// it returns its error.
func (w *Window) Take(ctx context.Context, n int) error { return w.wait(ctx, 1, int64(n)) }

// TakeWithin waits its turn until n bytes fit, and takes them. It overdraws the window only if n is
// larger than the window. Then it waits until the window is empty.
func (w *Window) TakeWithin(ctx context.Context, n int) error {
	return w.wait(ctx, min(int64(n), w.size), int64(n))
}

// Room waits its turn until n bytes fit, as TakeWithin does, and takes none.
func (w *Window) Room(ctx context.Context, n int) error {
	return w.wait(ctx, min(int64(n), w.size), 0)
}

// Ready waits its turn until there is any credit, and takes none.
func (w *Window) Ready(ctx context.Context) error { return w.wait(ctx, 1, 0) }

// Fit waits its turn until the window is not overdrawn, and takes nothing.
func (w *Window) Fit(ctx context.Context) error { return w.wait(ctx, 0, 0) }

// TryTake takes n bytes if there is any credit and no taker waits. It reports whether it has taken
// them.
func (w *Window) TryTake(n int) bool { return w.tryTake(1, int64(n)) }

// Force takes n bytes immediately, whatever the credit is.
func (a *Account) Force(n int) { a.took(a.held.Add(int64(n)), int64(n)) }

// Give gives n bytes back.
func (a *Account) Give(n int) {
	if a.crosses(a.gave(n), int64(n)) {
		a.mu.Lock()
		a.clockLocked()
		a.mu.Unlock()
	}
}

// gave counts n bytes that were given back, and returns how many are buffered.
func (a *Account) gave(n int) (held int64) {
	held = a.held.Add(-int64(n))
	if held < 0 {
		panic("credit: more was given back than taken")
	}
	return held
}

// Give gives n bytes back, and lets the takers pass that waited for them.
func (w *Window) Give(n int) {
	held := w.gave(n)
	// A taker that queues up sets slow and then reads held. So either the taker sees the bytes, or
	// this goroutine sees slow.
	if w.slow.Load() || w.crosses(held, int64(n)) {
		w.mu.Lock()
		w.grantLocked()
		w.mu.Unlock()
	}
}

// Close ends the window with err. All takers that wait get err, and so do later takers. A second
// Close does not change the error.
func (w *Window) Close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queuedLocked()
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
	w.clockLocked()
}

// queuedLocked returns the queue.
func (w *Window) queuedLocked() *queue {
	if w.queue == nil {
		w.queue = new(queue)
	}
	return w.queue
}

// Size returns the size in bytes, or 0 if there is no limit.
func (a *Account) Size() int {
	if a.size == math.MaxInt64 {
		return 0
	}
	return int(a.size)
}

// Credit returns the size less the bytes that are buffered.
func (a *Account) Credit() int { return int(min(a.credit(), math.MaxInt)) }

// Usage returns how many bytes are buffered now, the maximum so far, and the time without enough
// credit.
func (a *Account) Usage() (held, most int64, stalled time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stalled = a.stalled
	if a.spent != 0 {
		stalled += time.Since(epoch) - a.spent
	}
	held = a.held.Load()
	a.rose(held) // a taker counts held first, and then most: the maximum must not fall meanwhile
	return held, a.most.Load(), stalled
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
		<-x.over // granted in the meantime: the bytes are taken
	}
	return w.reuse(x)
}

// tryTake takes n bytes if the credit is at least need and no taker waits.
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

// took counts n bytes that were taken. held is the new sum.
func (a *Account) took(held, n int64) {
	a.rose(held)
	if a.crosses(held-n, n) {
		a.mu.Lock()
		a.clockLocked()
		a.mu.Unlock()
	}
}

// rose notes held if it is the maximum so far.
func (a *Account) rose(held int64) {
	for most := a.most.Load(); held > most && !a.most.CompareAndSwap(most, held); {
		most = a.most.Load()
	}
}

// crosses reports whether n more bytes than held use up the last credit.
func (a *Account) crosses(held, n int64) bool { return held < a.size && a.size <= held+n }

// clockLocked starts or stops the time without enough credit.
func (a *Account) clockLocked() {
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
	q := w.queuedLocked()
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
	w.grantLocked() // credit may have come before slow was set
	return x
}

// leave removes x from the queue. It reports false if the wait of x was over before.
func (w *Window) leave(x *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queue
	i := slices.Index(q.waiters, x)
	if i < 0 {
		return false
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	w.grantLocked() // the next one may have waited only for x
	return true
}

// reuse returns the result of the wait of x, and keeps x for the next wait.
func (w *Window) reuse(x *waiter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.spare = x
	return x.err
}

// grantLocked serves waiters from the first on while there is enough credit. It also starts or
// stops the clock.
func (w *Window) grantLocked() {
	q := w.queue
	if q == nil {
		w.clockLocked()
		return
	}
	for len(q.waiters) > 0 && w.credit() >= q.waiters[0].need {
		x := q.waiters[0]
		q.waiters = slices.Delete(q.waiters, 0, 1)
		w.short = false
		w.clockLocked() // before it takes the rest
		w.rose(w.held.Add(x.n))
		x.end(nil)
	}
	w.short = len(q.waiters) > 0
	w.clockLocked()
	if q.err == nil {
		w.slow.Store(len(q.waiters) > 0)
	}
}

// end ends the wait of x.
func (x *waiter) end(err error) {
	x.err = err
	x.over <- struct{}{}
}
