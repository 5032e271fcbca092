package credit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	errEnd   = errors.New("the end")
	errCause = errors.New("the cause")
)

func newWindow(size int) *Window {
	w := new(Window)
	w.Init(size, nil)
	return w
}

// A call is a call of a method that may wait, on a goroutine of its own.
type call struct{ done chan error }

// goCall starts f, and returns when f waits or has returned. It must run in a bubble of synctest.
func goCall(f func() error) call {
	c := call{make(chan error, 1)}
	go func() { c.done <- f() }()
	synctest.Wait()
	return c
}

func (c call) waits(t *testing.T, why string) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-c.done:
		require.Fail(t, "did not wait", "%s; returned %v", why, err)
	default:
	}
}

func (c call) returns(t *testing.T, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-c.done:
		require.Equal(t, want, err)
	default:
		require.Fail(t, "still waits")
	}
}

// pass lets d pass in a bubble of synctest.
func pass(d time.Duration) { <-time.After(d) }

func held(w *Window) int64 {
	n, _, _ := w.Usage()
	return n
}

// waits are the four calls that may wait, for a window of 10 bytes.
var waits = []struct {
	name  string
	takes int64
	call  func(w *Window, ctx context.Context) error
}{
	{"Take", 3, func(w *Window, ctx context.Context) error { return w.Take(ctx, 3) }},
	{"TakeWithin", 3, func(w *Window, ctx context.Context) error { return w.TakeWithin(ctx, 3) }},
	{"Ready", 0, func(w *Window, ctx context.Context) error { return w.Ready(ctx) }},
	{"Fit", 0, func(w *Window, ctx context.Context) error { return w.Fit(ctx) }},
}

func TestGiveReturnsWhatWasTaken(t *testing.T) {
	w := newWindow(10)
	require.Equal(t, 10, w.Credit())
	require.NoError(t, w.Take(t.Context(), 4))
	require.True(t, w.TryTake(2))
	w.Force(1)
	require.Equal(t, 3, w.Credit())
	w.Give(5)
	require.Equal(t, 8, w.Credit())
	now, most, _ := w.Usage()
	require.EqualValues(t, 2, now)
	require.EqualValues(t, 7, most, "the maximum")
}

func TestMaximumCountsEachWayToTake(t *testing.T) {
	for _, way := range waits {
		w := newWindow(10)
		require.NoError(t, w.Take(t.Context(), 4))
		require.NoError(t, way.call(w, t.Context()), way.name)
		w.Give(int(held(w)))
		_, most, _ := w.Usage()
		require.Equal(t, 4+way.takes, most, way.name)
	}
}

func TestUsageNeverReportsMoreThanItsMaximumInTheMiddleOfATake(t *testing.T) {
	w := newWindow(10)
	w.held.Add(3) // the first half of a take
	held, most, _ := w.Usage()
	require.EqualValues(t, 3, held)
	require.EqualValues(t, 3, most)
	w.took(3, 3)
	require.EqualValues(t, 3, w.most.Load())
}

func TestTakeOverdrawsIfThereIsAnyCredit(t *testing.T) {
	w := newWindow(10)
	require.NoError(t, w.Take(t.Context(), 9))
	require.NoError(t, w.Take(t.Context(), 100))
	require.Equal(t, -99, w.Credit())
	_, most, _ := w.Usage()
	require.EqualValues(t, 109, most)
}

func TestForceTakesWhateverCreditThereIs(t *testing.T) {
	w := newWindow(10)
	w.Force(10)
	w.Force(5)
	require.Equal(t, -5, w.Credit())
	w.Close(errEnd)
	w.Force(1)
	require.EqualValues(t, 16, held(w), "Force counts after the end, too")
}

func TestTakeWaitsUntilThereIsSomeCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(12)
		c := goCall(func() error { return w.Take(t.Context(), 7) })
		c.waits(t, "overdrawn by 2")
		w.Give(2)
		c.waits(t, "no credit")
		w.Give(1)
		c.returns(t, nil)
		require.EqualValues(t, 16, held(w))
	})
}

func TestTakeWithinWaitsUntilAllOfItFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(8)
		c := goCall(func() error { return w.TakeWithin(t.Context(), 4) })
		w.Give(1)
		c.waits(t, "3 are left, not 4")
		w.Give(1)
		c.returns(t, nil)
		require.Equal(t, 0, w.Credit())
	})
}

func TestTakeWithinOverdrawsOnlyForWhatCanNeverFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(1)
		c := goCall(func() error { return w.TakeWithin(t.Context(), 11) })
		c.waits(t, "the window is not empty")
		w.Give(1)
		c.returns(t, nil)
		require.Equal(t, -1, w.Credit())
	})
}

func TestReadyWaitsForSomeCreditAndTakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		require.NoError(t, w.Ready(t.Context()))
		w.Force(10)
		c := goCall(func() error { return w.Ready(t.Context()) })
		c.waits(t, "no credit")
		w.Give(1)
		c.returns(t, nil)
		require.EqualValues(t, 9, held(w))
	})
}

func TestFitWaitsWhileTheWindowIsOverdrawnAndTakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(10)
		require.NoError(t, w.Fit(t.Context()), "a full window is not overdrawn")
		w.Force(2)
		c := goCall(func() error { return w.Fit(t.Context()) })
		w.Give(1)
		c.waits(t, "overdrawn by 1")
		w.Give(1)
		c.returns(t, nil)
		require.EqualValues(t, 10, held(w))
	})
}

func TestTakeServesWaitersInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(10)
		var order []int
		for i := range 5 {
			goCall(func() error {
				err := w.TakeWithin(t.Context(), 1)
				order = append(order, i)
				return err
			})
		}
		for range 5 {
			w.Give(1)
			synctest.Wait()
		}
		require.Equal(t, []int{0, 1, 2, 3, 4}, order)
	})
}

func TestTakeOfLittleDoesNotOvertakeOneOfMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(8)
		large := goCall(func() error { return w.TakeWithin(t.Context(), 5) })
		small := goCall(func() error { return w.TakeWithin(t.Context(), 1) })
		large.waits(t, "only 2 are left")
		small.waits(t, "it came later, although it would fit")
		w.Give(4)
		large.returns(t, nil)
		small.returns(t, nil)
	})
}

func TestTryTakeNeverOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(5)
		c := goCall(func() error { return w.TakeWithin(t.Context(), 6) })
		require.False(t, w.TryTake(1), "another call waits for the credit")
		w.Give(1)
		c.returns(t, nil)
		require.False(t, w.TryTake(1), "no credit")
		w.Give(1)
		require.True(t, w.TryTake(100), "any credit is enough")
	})
}

func TestGiveServesAllWaitersThatFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(10)
		var calls []call
		for range 4 {
			calls = append(calls, goCall(func() error { return w.TakeWithin(t.Context(), 3) }))
		}
		w.Give(10)
		for _, c := range calls[:3] {
			c.returns(t, nil)
		}
		calls[3].waits(t, "only 1 is left")
		w.Give(2)
		calls[3].returns(t, nil)
	})
}

func TestTakeWhoseContextEndsTakesNothing(t *testing.T) {
	for _, wait := range waits {
		t.Run(wait.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWindow(10)
				w.Force(11)
				ctx, cancel := context.WithCancelCause(t.Context())
				c := goCall(func() error { return wait.call(w, ctx) })
				c.waits(t, "overdrawn")
				cancel(errCause)
				c.returns(t, errCause)
				w.Give(11)
				require.Equal(t, 10, w.Credit())
				require.Equal(t, errCause, wait.call(w, ctx),
					"a context that has ended, although there is credit")
				require.Equal(t, 10, w.Credit())
			})
		})
	}
}

func TestTakeWhoseContextEndsLetsTheNextGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(8)
		ctx, cancel := context.WithCancel(t.Context())
		large := goCall(func() error { return w.TakeWithin(ctx, 5) })
		small := goCall(func() error { return w.TakeWithin(t.Context(), 2) })
		small.waits(t, "the large call is first")
		cancel()
		large.returns(t, context.Canceled)
		small.returns(t, nil)
		require.EqualValues(t, 10, held(w))
	})
}

func TestTakeGrantedWhileItsContextEndsTakesCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10)
		w.Force(10)
		ctx, cancel := context.WithCancel(t.Context())
		c := goCall(func() error { return w.Take(ctx, 4) })
		s := w.shortage.Load()
		s.mu.Lock() // the context wakes the waiter, which cannot leave the queue yet
		cancel()
		w.held.Store(0)
		w.grantLocked(s)
		s.mu.Unlock()
		c.returns(t, nil)
		require.EqualValues(t, 4, held(w))
	})
}

func TestCloseEndsAllWaits(t *testing.T) {
	for _, wait := range waits {
		t.Run(wait.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWindow(10)
				w.Force(11)
				first := goCall(func() error { return wait.call(w, t.Context()) })
				second := goCall(func() error { return wait.call(w, t.Context()) })
				w.Close(errEnd)
				first.returns(t, errEnd)
				second.returns(t, errEnd)
				require.EqualValues(t, 11, held(w), "a wait has taken credit")
				w.Give(11)
				require.Equal(t, 10, w.Credit(), "Give has granted credit to a wait that has ended")
			})
		})
	}
}

func TestTakeAfterCloseTakesNothing(t *testing.T) {
	for _, wait := range waits {
		t.Run(wait.name, func(t *testing.T) {
			w := newWindow(10)
			w.Close(errEnd)
			w.Close(errCause)
			require.Equal(t, errEnd, wait.call(w, t.Context()), "Close has replaced the first error")
			require.False(t, w.TryTake(1))
			require.Equal(t, 10, w.Credit())
		})
	}
}

func TestGiveAfterCloseReturnsCredit(t *testing.T) {
	w := newWindow(10)
	w.Force(4)
	w.Close(errEnd)
	w.Give(4)
	require.Equal(t, 10, w.Credit())
}

func TestTakeTakesTheSameWithAndWithoutAWait(t *testing.T) {
	for _, wait := range waits {
		t.Run(wait.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWindow(10)
				require.NoError(t, wait.call(w, t.Context()))
				require.Equal(t, wait.takes, held(w), "without a wait")
				w.Force(11)
				c := goCall(func() error { return wait.call(w, t.Context()) })
				w.Give(11)
				c.returns(t, nil)
				require.Equal(t, 2*wait.takes, held(w), "after a wait")
			})
		})
	}
}

func TestWindowWithoutASizeHasNoLimit(t *testing.T) {
	for _, size := range []int{0, -1} {
		w := newWindow(size)
		const much = math.MaxInt / 8
		require.NoError(t, w.Take(t.Context(), much))
		require.True(t, w.TryTake(much))
		require.NoError(t, w.TakeWithin(t.Context(), much))
		require.NoError(t, w.Fit(t.Context()))
		require.EqualValues(t, min(math.MaxInt64-3*int64(much), math.MaxInt), w.Credit())
	}
}

func TestSizeIsWhatInitHasSet(t *testing.T) {
	require.Equal(t, 10, newWindow(10).Size())
	require.Zero(t, newWindow(0).Size(), "no limit")
	require.Zero(t, newWindow(-1).Size(), "no limit")
}

func TestStalledIsTheTimeWithoutCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := func(w *Window) time.Duration {
			_, _, d := w.Usage()
			return d
		}
		w := newWindow(10)
		w.Force(9)
		pass(time.Second)
		require.Zero(t, stalled(w), "there was credit")
		w.Force(1)
		pass(2 * time.Second)
		require.Equal(t, 2*time.Second, stalled(w), "a stall counts while it lasts")
		w.Force(5)
		pass(time.Second)
		w.Give(5)
		pass(time.Second)
		require.Equal(t, 4*time.Second, stalled(w), "a full window counts as an overdrawn one")
		w.Give(1)
		pass(time.Hour)
		require.Equal(t, 4*time.Second, stalled(w), "credit ends the stall")
		w.Force(1)
		pass(time.Second)
		w.Give(10)
		require.Equal(t, 5*time.Second, stalled(w), "the sum of all stalls")
	})
}

func TestStalledCountsAWaitForMoreCreditThanThereIs(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, w *Window) error{
		"TakeWithin": func(ctx context.Context, w *Window) error { return w.TakeWithin(ctx, 5) },
		"Room":       func(ctx context.Context, w *Window) error { return w.Room(ctx, 5) },
	} {
		for how, end := range map[string]func(w *Window, cancel func()){
			"until it is given":      func(w *Window, _ func()) { w.Give(6) },
			"until its context ends": func(_ *Window, cancel func()) { cancel() },
			"until the window ends":  func(w *Window, _ func()) { w.Close(errEnd) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWindow(10)
					w.Force(6) // 4 are left
					pass(time.Second)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					c := goCall(func() error { return wait(ctx, w) })
					pass(2 * time.Second)
					end(w, cancel)
					<-c.done
					pass(time.Second)
					_, _, stalled := w.Usage()
					require.Equal(t, 2*time.Second, stalled)
				})
			})
		}
	}
}

func TestStalledIsReportedToTheObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		var w Window
		w.Init(10, func(spent bool, took time.Duration) {
			told = append(told, fmt.Sprint(spent, " ", took))
		})
		w.Force(9)
		w.Give(9)
		require.Empty(t, told, "there was credit")
		w.Force(10)
		pass(time.Second)
		w.Force(5)
		w.Give(5)
		require.Equal(t, []string{"true 0s"}, told, "there was no credit meanwhile")
		pass(time.Second)
		w.Give(1)
		require.Equal(t, []string{"true 0s", "false 2s"}, told)
		c := goCall(func() error { return w.TakeWithin(t.Context(), 10) })
		pass(time.Second)
		w.Give(9)
		c.returns(t, nil)
		w.Give(10)
		require.Equal(t, []string{
			"true 0s", "false 2s",
			"true 0s", "false 1s", // there was less credit than TakeWithin waits for
			"true 0s", "false 0s", // the grant has used up the credit
		}, told, "credit for a call that waits")
	})
}

func TestGiveOfMoreThanWasTakenPanics(t *testing.T) {
	w := newWindow(10)
	require.NoError(t, w.Take(t.Context(), 3))
	require.Panics(t, func() { w.Give(4) })
}

func BenchmarkTakeGive(b *testing.B) {
	for _, bench := range []struct {
		name string
		ctx  context.Context
	}{
		{"background", context.Background()},
		{"cancellable", b.Context()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := newWindow(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Take(bench.ctx, 66); err != nil {
					b.Fatal(err)
				}
				w.Give(66)
			}
		})
	}
}

func BenchmarkTryTakeGive(b *testing.B) {
	w := newWindow(64 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if !w.TryTake(66) {
			b.Fatal("no credit")
		}
		w.Give(66)
	}
}

// BenchmarkStall measures a Take that waits for another goroutine's Give.
func BenchmarkStall(b *testing.B) {
	w := newWindow(1)
	taken := make(chan struct{})
	go func() { // ends with the benchmark
		for range taken {
			w.Give(1)
		}
	}()
	defer close(taken)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Take(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
		taken <- struct{}{}
	}
}

func TestTakeThatWaitsAllocatesOnlyOnce(t *testing.T) {
	w := newWindow(10)
	w.Force(10)
	back := make(chan struct{})
	go func() {
		for range back {
			for !w.slow.Load() {
				runtime.Gosched()
			}
			w.Give(4)
		}
	}()
	defer close(back)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		back <- struct{}{}
		if err := w.Take(t.Context(), 4); err != nil {
			t.Error(err)
		}
	}))
}

func TestUsageKnowsAMaximumThatWasGivenBackBeforeItWasAsked(t *testing.T) {
	var w Window
	w.Init(10, nil)
	require.True(t, w.TryTake(4))
	require.True(t, w.TryTake(3))
	w.Give(7)
	held, most, _ := w.Usage()
	require.Zero(t, held)
	require.EqualValues(t, 7, most)
}
