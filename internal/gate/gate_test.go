package gate

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream/internal/latch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLockServesWaitersInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(nil)
		require.True(t, g.Lock(t.Context()))
		var order []int
		for i := range 10 {
			go func() {
				if !g.Lock(t.Context()) {
					return
				}
				order = append(order, i)
				g.Unlock()
			}()
			synctest.Wait()
		}
		require.False(t, g.TryLock(), "TryLock has locked a gate that is held")
		g.Unlock()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
	})
}

func TestLockEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(nil)
		require.True(t, g.Lock(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.False(t, g.Lock(ctx))
		g.Unlock()
		require.True(t, g.TryLock())
	})
}

func TestLockEndsWithTheGate(t *testing.T) {
	for name, ending := range map[string]func() (g *Gate, lock func(context.Context) bool, end func()){
		"a channel": func() (*Gate, func(context.Context) bool, func()) {
			end := make(chan struct{})
			g := New(end)
			return g, g.Lock, func() { close(end) }
		},
		"a latch": func() (*Gate, func(context.Context) bool, func()) {
			var g Gate
			var end latch.Latch
			lock := func(ctx context.Context) bool { return g.LockUntil(ctx, &end) }
			return &g, lock, func() { end.Close() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, lock, end := ending()
				require.True(t, g.Lock(t.Context()))
				var gone atomic.Int32
				for range 3 {
					go func() {
						if !lock(t.Context()) {
							gone.Add(1)
						}
					}()
					synctest.Wait()
				}
				require.Zero(t, gone.Load())
				end()
				synctest.Wait()
				require.EqualValues(t, 3, gone.Load())
			})
		})
	}
}

func TestLockIsNotOvertakenByTryLock(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		was := runtime.GOMAXPROCS(procs)
		var g Gate
		var over atomic.Bool
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() {
				for !over.Load() {
					if g.TryLock() {
						g.Unlock()
					}
				}
			})
		}
		for range 3000 {
			first, second := g.join(), g.join() // the first is nil if the gate was free
			if first == nil {
				first = make(chan struct{})
				close(first)
			}
			select {
			case <-first:
			case <-second:
				t.Fatal("the second waiter was served first")
			}
			select {
			case <-second:
				t.Fatal("both waiters were served")
			default:
			}
			g.Unlock()
			<-second
			g.Unlock()
		}
		over.Store(true)
		others.Wait()
		runtime.GOMAXPROCS(was)
	}
}

func TestFreeReportsWhetherTheGateIsFree(t *testing.T) {
	g := New(nil)
	require.True(t, g.Free())
	require.True(t, g.TryLock())
	require.False(t, g.Free())
	g.Unlock()
	require.True(t, g.Free())
}

func TestUnlockOfAFreeGatePanics(t *testing.T) {
	g := New(nil)
	require.Panics(t, g.Unlock)
}

func BenchmarkLockUnlock(b *testing.B) {
	g := New(nil)
	b.ReportAllocs()
	for b.Loop() {
		g.Lock(context.Background())
		g.Unlock()
	}
}

// BenchmarkHandOver measures a Lock that waits for another goroutine's Unlock.
func BenchmarkHandOver(b *testing.B) {
	g := New(nil)
	locked := make(chan struct{})
	go func() { // ends with the benchmark
		for range locked {
			g.Unlock()
		}
	}()
	defer close(locked)
	g.Lock(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		locked <- struct{}{}
		if !g.Lock(b.Context()) {
			b.Fatal("the gate has ended")
		}
	}
}

func TestLockCancelledDuringTheHandOverLosesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 1000 {
			g := New(nil)
			g.TryLock()
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan bool, 1)
			go func() { got <- g.Lock(ctx) }()
			synctest.Wait()
			cancel() // wakes the Lock
			g.Unlock()
			if <-got {
				g.Unlock()
			}
			require.True(t, g.TryLock(), "the gate is still held")
		}
	})
}
