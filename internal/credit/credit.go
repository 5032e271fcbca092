// Package credit is a window of credit: what may be held for a stream, in bytes.
package credit

import (
	"context"
	"math"
	"sync"
	"time"
)

// A Window counts the bytes held for a stream against its size. Credit is what is left of it, and is negative
// while the window is overdrawn: a taker waits until there is some credit, and may then take more than that,
// so that a chunk larger than the window passes too.
//
// Those who wait are served in the order they came. All methods may be called at once.
type Window struct {
	mu      sync.Mutex
	size    int64     // immutable
	held    int64     // guarded by mu
	most    int64     // the largest held; guarded by mu
	waiters []*waiter // first come first; guarded by mu
	err     error     // ends the window; guarded by mu
	spent   time.Time // when credit ran out, zero while there is some; guarded by mu
	stalled time.Duration
}

// A waiter waits until credit is at least need, then takes n.
type waiter struct {
	need, n int64
	err     error         // valid once granted is closed
	granted chan struct{} // closed when the wait is over
}

// New returns a window of size bytes; a size of zero or less has no bound.
func New(size int) *Window {
	if size <= 0 {
		return &Window{size: math.MaxInt64}
	}
	return &Window{size: int64(size)}
}

// Take waits its turn until there is any credit, and takes n bytes of it, more than there is if it must.
// If ctx ends first it takes nothing and returns context.Cause(ctx); if the window ends, its error.
func (w *Window) Take(ctx context.Context, n int) error { return w.wait(ctx, 1, int64(n)) }

// TakeWithin waits its turn until n bytes fit, and takes them; it never overdraws unless n is larger than the
// window, which waits until nothing is held.
func (w *Window) TakeWithin(ctx context.Context, n int) error {
	return w.wait(ctx, min(int64(n), w.size), int64(n))
}

// Ready waits its turn until there is any credit, and takes none.
func (w *Window) Ready(ctx context.Context) error { return w.wait(ctx, 1, 0) }

// Fit waits its turn until the window is not overdrawn, and takes nothing.
func (w *Window) Fit(ctx context.Context) error { return w.wait(ctx, 0, 0) }

// TryTake takes n bytes if there is any credit and nobody waits for it.
func (w *Window) TryTake(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || len(w.waiters) > 0 || w.credit() < 1 {
		return false
	}
	w.take(int64(n))
	return true
}

// Force takes n bytes at once, whatever credit there is.
func (w *Window) Force(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(int64(n))
}

// Give gives n bytes back and lets those go who waited for them.
func (w *Window) Give(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held -= int64(n)
	if w.held < 0 {
		panic("credit: more was given back than taken")
	}
	if w.credit() > 0 && !w.spent.IsZero() {
		w.stalled += time.Since(w.spent)
		w.spent = time.Time{}
	}
	w.grant()
}

// Close ends the window with err: all who wait, and all who come, get it. The first error stays.
func (w *Window) Close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	w.err = err
	for _, x := range w.waiters {
		x.err = err
		close(x.granted)
	}
	w.waiters = nil
}

// Credit is the size less what is held.
func (w *Window) Credit() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(min(w.credit(), math.MaxInt))
}

// Usage tells the bytes held now, the most that ever were, and how long there was no credit.
func (w *Window) Usage() (held, most int64, stalled time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stalled = w.stalled
	if !w.spent.IsZero() {
		stalled += time.Since(w.spent)
	}
	return w.held, w.most, stalled
}

func (w *Window) wait(ctx context.Context, need, n int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	if w.err != nil {
		defer w.mu.Unlock()
		return w.err
	}
	if len(w.waiters) == 0 && w.credit() >= need {
		w.take(n)
		w.mu.Unlock()
		return nil
	}
	x := &waiter{need: need, n: n, granted: make(chan struct{})}
	w.waiters = append(w.waiters, x)
	w.mu.Unlock()

	select {
	case <-x.granted:
		return x.err
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.waiters {
		if w.waiters[i] == x {
			w.waiters = append(w.waiters[:i], w.waiters[i+1:]...)
			w.grant() // those behind it may have waited for it alone
			return context.Cause(ctx)
		}
	}
	return x.err // granted in the meantime: what was taken is taken
}

// take expects mu to be held.
func (w *Window) take(n int64) {
	w.held += n
	w.most = max(w.most, w.held)
	if w.credit() <= 0 && w.spent.IsZero() {
		w.spent = time.Now()
	}
}

// grant serves waiters from the first on while credit suffices. It expects mu to be held.
func (w *Window) grant() {
	for len(w.waiters) > 0 && w.credit() >= w.waiters[0].need {
		x := w.waiters[0]
		w.waiters[0] = nil
		w.waiters = w.waiters[1:]
		w.take(x.n)
		close(x.granted)
	}
}

// credit expects mu to be held.
func (w *Window) credit() int64 { return w.size - w.held }
