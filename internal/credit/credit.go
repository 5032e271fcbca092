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

	shortage atomic.Pointer[shortage] // nil until the credit runs out, unless there is a watch
}

// A shortage has what an account needs once its credit has run out, or a taker waits: most never
// come to that.
type shortage struct {
	watch func(spent bool, took time.Duration) // constant; nil for none

	mu      sync.Mutex    // guards all below
	spent   time.Duration // since epoch, when credit ran out; 0 while there is enough
	stalled time.Duration // without enough credit, up to spent
	short   bool          // a taker waits for more credit than there is

	// Of a Window.
	waiters []*waiter // first come first
	spare   *waiter   // its wait is over; to be used again
	err     error     // has ended the window; nil: none
}

var epoch = time.Now()

// A Window is an Account whose credit callers can wait for. A taker waits until there is some
// credit, and may then take more. So a chunk that is larger than the window passes, too.
//
// Callers that wait are served in the order they came. While none waits, taking and giving are an
// atomic operation each. All methods may be called concurrently, after Init.
type Window struct {
	Account
	slow atomic.Bool // a taker waits, or the window has ended; stored under the shortage's mu
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
	a.size = int64(size)
	if size <= 0 {
		a.size = math.MaxInt64
	}
	if watch != nil {
		a.shortage.Store(&shortage{watch: watch})
	}
}

// scarce returns the shortage, which it makes if there is none.
func (a *Account) scarce() *shortage {
	if a.shortage.Load() == nil {
		a.shortage.CompareAndSwap(nil, new(shortage))
	}
	return a.shortage.Load()
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
		a.clock()
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
		s := w.scarce()
		s.mu.Lock()
		w.grantLocked(s)
		s.mu.Unlock()
	}
}

// Close ends the window with err. All takers that wait get err, and so do later takers. A second
// Close does not change the error.
func (w *Window) Close(err error) {
	s := w.scarce()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	w.slow.Store(true)
	for _, x := range s.waiters {
		x.end(err)
	}
	s.waiters = nil
	s.short = false
	w.clockLocked(s)
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

// Held returns how many bytes are buffered.
func (a *Account) Held() int { return int(a.held.Load()) }

// Usage returns how many bytes are buffered now, the maximum so far, and the time without enough
// credit.
func (a *Account) Usage() (held, most int64, stalled time.Duration) {
	if s := a.shortage.Load(); s != nil {
		stalled = s.soFar()
	}
	held = a.held.Load()
	a.rose(held) // a taker counts held first, and then most: the maximum must not fall meanwhile
	return held, a.most.Load(), stalled
}

// soFar returns the time without enough credit.
func (s *shortage) soFar() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent != 0 {
		return s.stalled + time.Since(epoch) - s.spent
	}
	return s.stalled
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
		a.clock()
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

// clock starts or stops the time without enough credit.
func (a *Account) clock() {
	s := a.scarce()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.clockLocked(s)
}

func (a *Account) clockLocked(s *shortage) {
	switch spent := s.short || a.credit() <= 0; {
	case spent && s.spent == 0:
		s.spent = time.Since(epoch)
		if s.watch != nil {
			s.watch(true, 0)
		}
	case !spent && s.spent != 0:
		took := time.Since(epoch) - s.spent
		s.stalled += took
		s.spent = 0
		if s.watch != nil {
			s.watch(false, took)
		}
	}
}

// enqueue queues up for n bytes.
func (w *Window) enqueue(need, n int64) *waiter {
	s := w.scarce()
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.spare
	if s.spare = nil; x == nil {
		x = &waiter{over: make(chan struct{}, 1)}
	}
	x.need, x.n, x.err = need, n, nil
	if s.err != nil {
		x.end(s.err)
		return x
	}
	w.slow.Store(true)
	s.waiters = append(s.waiters, x)
	w.grantLocked(s) // credit may have come before slow was set
	return x
}

// leave removes x from the queue. It reports false if the wait of x was over before.
func (w *Window) leave(x *waiter) bool {
	s := w.scarce()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiters, x)
	if i < 0 {
		return false
	}
	s.waiters = slices.Delete(s.waiters, i, i+1)
	w.grantLocked(s) // the next one may have waited only for x
	return true
}

// reuse returns the result of the wait of x, and keeps x for the next wait.
func (w *Window) reuse(x *waiter) error {
	s := w.scarce()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = x
	return x.err
}

// grantLocked serves waiters from the first on while there is enough credit. It also starts or
// stops the clock.
func (w *Window) grantLocked(s *shortage) {
	for len(s.waiters) > 0 && w.credit() >= s.waiters[0].need {
		x := s.waiters[0]
		s.waiters = slices.Delete(s.waiters, 0, 1)
		s.short = false
		w.clockLocked(s) // before it takes the rest
		w.rose(w.held.Add(x.n))
		x.end(nil)
	}
	s.short = len(s.waiters) > 0
	w.clockLocked(s)
	if s.err == nil {
		w.slow.Store(len(s.waiters) > 0)
	}
}

// end ends the wait of x.
func (x *waiter) end(err error) {
	x.err = err
	x.over <- struct{}{}
}
