//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A crew is a poller of which a test sees how many workers it has.
type crew struct {
	*poller
	others int // workers that are counted, and do nothing
}

// newCrew returns a crew without workers. n events wait, and a worker seems to wait for the kernel.
func newCrew(t *testing.T, n int) *crew {
	k, err := newKernel()
	require.NoError(t, err)
	c := &crew{poller: &poller{kernel: k, leading: true, timer: time.NewTimer(time.Hour)}}
	c.wake.L = &c.mu
	for range n {
		c.ready.push(&Entry{h: nothing{}, queued: true})
	}
	t.Cleanup(func() { c.end(t) })
	return c
}

// nothing is a handler that does nothing.
type nothing struct{}

func (nothing) Ready(Event) {}
func (nothing) Idle()       {}

// end ends the workers, and waits for them.
func (c *crew) end(t *testing.T) {
	c.mu.Lock()
	if !c.closed {
		c.kernel.close()
	}
	c.closed = true
	c.wake.Broadcast()
	c.mu.Unlock()
	require.Eventually(t, func() bool { return c.count() == c.others }, 10*time.Second,
		time.Millisecond, "a worker that has ended is not counted")
}

// count returns how many workers there are.
func (c *crew) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workers
}

// starts returns how many workers f starts.
func (c *crew) starts(f func()) int {
	before := c.count()
	f()
	return c.count() - before
}

// start starts a worker.
func (c *crew) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
}

func (c *crew) take() { c.next(-1) }

// busy lets there be workers that do nothing.
func (c *crew) busy(n int) { c.others, c.workers = n, n }

// rests waits until n workers rest.
func (c *crew) rests(t *testing.T, n int) {
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.resting == n
	}, 10*time.Second, time.Millisecond)
}

func TestAWorkerStartsAnotherIfTheEventsThatWaitTakeLong(t *testing.T) {
	const mean = spread / 4
	for name, tc := range map[string]struct {
		behind int // the event that is taken
		mean   time.Duration
		starts int
	}{
		"they take less": {3, mean, 0},
		"they take long": {4, mean, 1},
		"they take more": {5, mean, 1},
		"none waits":     {0, time.Hour, 0},
		"short ones":     {1, spread - 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newCrew(t, tc.behind+1)
			p.busy(runtime.GOMAXPROCS(0) - 1)
			p.mean = tc.mean
			require.Equal(t, tc.starts, p.starts(p.take))
		})
	}
	require.Equal(t, 200*time.Microsecond, spread, "docs/design.md says so")
}

func TestAWorkerStartsNoMoreThanThereAreProcessors(t *testing.T) {
	for workers, starts := range map[int]int{
		runtime.GOMAXPROCS(0) - 1: 1,
		runtime.GOMAXPROCS(0):     0,
	} {
		p := newCrew(t, 2)
		p.busy(workers)
		p.mean = spread
		require.Equal(t, starts, p.starts(p.take))
	}
}

func TestTheMeanIsThatOfTheLastHandlers(t *testing.T) {
	p := newCrew(t, 10)
	p.mean = 800
	for _, tc := range []struct{ took, mean time.Duration }{
		{-1, 800}, // none
		{1600, 900},
		{0, 787}, // a clock may stand still
	} {
		p.next(tc.took)
		require.Equal(t, tc.mean, p.mean)
	}
}

func TestAWorkersFirstEventChangesNoMean(t *testing.T) {
	p := newCrew(t, 0)
	p.mean = 800
	p.start()
	require.Equal(t, 1, p.count())
	p.end(t)
	require.EqualValues(t, 800, p.mean)
}

func TestAWaryWorkerLetsAnotherLead(t *testing.T) {
	for name, tc := range map[string]struct {
		wary    int
		leading bool
		starts  int
		left    int // of wary
	}{
		"none leads":        {2, false, 1, 1},
		"another leads":     {2, true, 0, 1},
		"the last event":    {1, false, 1, 0},
		"it is not wary":    {0, true, 0, 0},
		"nor if none leads": {0, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newCrew(t, 1)
			p.wary, p.leading = tc.wary, tc.leading
			require.Equal(t, tc.starts, p.starts(p.take))
			require.Equal(t, tc.left, p.wary)
		})
	}
}

func TestAWorkerThatRestsIsWokenInPlaceOfANewOne(t *testing.T) {
	p := newCrew(t, 0)
	p.start()
	p.rests(t, 1)
	require.Zero(t, p.starts(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.callLocked(true)
	}))
	p.rests(t, 1)
}

func TestAWorkerEndsIfAsManyRestAsThereAreProcessors(t *testing.T) {
	p := newCrew(t, 0)
	p.resting = runtime.GOMAXPROCS(0) - 1
	p.start()
	p.rests(t, runtime.GOMAXPROCS(0))
	p.start()
	require.Eventually(t, func() bool { return p.count() == 1 }, 10*time.Second, time.Millisecond)
	p.end(t)
	require.Equal(t, runtime.GOMAXPROCS(0)-1, p.resting)
}

func TestATickFindsOutWhetherAllWorkersAreInsideHandlers(t *testing.T) {
	for name, tc := range map[string]struct {
		events, taken int // that wait, and since the last tick
		leading       bool
		starts        int
		wary          int
		ticking       bool
	}{
		"a handler was called":       {1, 1, false, 0, 0, true},
		"none was, and none leads":   {1, 0, false, 1, wary, true},
		"none was, and events wait":  {1, 0, true, 1, wary, true},
		"none was, and nothing does": {0, 0, true, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newCrew(t, tc.events)
			p.ticking, p.leading, p.taken = true, tc.leading, uint64(tc.taken)
			require.Equal(t, tc.starts, p.starts(p.tick))
			p.mu.Lock()
			defer p.mu.Unlock()
			require.LessOrEqual(t, p.wary, tc.wary)
			require.GreaterOrEqual(t, p.wary, tc.wary-1, "the new worker may have taken an event")
			require.Equal(t, tc.ticking, p.ticking)
			require.EqualValues(t, tc.taken, p.seen)
		})
	}
}

func TestEventsAreQueuedAsLongAsOneIsLeft(t *testing.T) {
	for _, tc := range []struct {
		ready, again int
		queued       bool
	}{{0, 0, false}, {1, 0, true}, {0, 1, true}, {1, 1, true}} {
		p := new(poller)
		for range tc.ready {
			p.ready.push(new(Entry))
		}
		for range tc.again {
			p.again.push(new(Entry))
		}
		require.Equal(t, tc.queued, p.isQueuedLocked(), "%v", tc)
		p.closed = true
		require.Equal(t, !tc.queued, p.isOverLocked(), "%v", tc)
	}
}

func TestAQueueKnowsItsLength(t *testing.T) {
	var q queue
	for n := range 3 {
		require.Equal(t, n, q.len())
		q.push(new(Entry))
	}
	for n := 3; n > 0; n-- {
		require.Equal(t, n, q.len())
		require.NotNil(t, q.pop())
	}
	require.Zero(t, q.len())
	require.Nil(t, q.pop())
}

func TestATableHasNoPlaceBehindItsLastPart(t *testing.T) {
	var entries table
	last := int32(len(entries.parts)*len(part{}) - 1)
	e := new(Entry)
	require.True(t, entries.put(last, e))
	require.Same(t, e, entries.get(last))
	require.False(t, entries.put(last+1, e))
	require.Nil(t, entries.get(last+1))
	entries.drop(last+1, e)
}

func TestATableDropsOnlyTheEntryThatItHas(t *testing.T) {
	var entries table
	first, second := new(Entry), new(Entry)
	require.True(t, entries.put(7, first))
	require.True(t, entries.put(7, second), "the number is used again")
	entries.drop(7, first)
	require.Same(t, second, entries.get(7))
	entries.drop(7, second)
	require.Nil(t, entries.get(7))
	entries.drop(7+int32(len(part{})), second) // has no part
}

// TestLaterKeepsNoMemoryOfARush: what is kept fits twice as many handlers, and a few more.
func TestLaterKeepsNoMemoryOfARush(t *testing.T) {
	for _, tc := range []struct{ due, room, kept int }{
		{1, 2 + maxEvents, 2 + maxEvents},
		{1, 2 + maxEvents + 1, 0},
		{100, 200 + maxEvents, 200 + maxEvents},
		{100, 200 + maxEvents + 1, 0},
	} {
		later.Lock()
		require.Empty(t, later.due)
		require.Empty(t, later.added)
		later.due, later.added = make([]Handler, tc.due, tc.room), nil
		for i := range later.due {
			later.due[i] = &watched{idle: func() {}}
		}
		if later.timer == nil {
			later.timer = time.AfterFunc(time.Hour, callLater)
		}
		later.armed = true
		later.Unlock()
		callLater()
		later.Lock()
		require.Equal(t, tc.kept, cap(later.added), "%v", tc)
		require.False(t, later.armed, "nothing is left to be called")
		later.Unlock()
	}
}
