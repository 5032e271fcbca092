//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream/internal/pipes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A watched is a socket with an entry. Its functions are those of a Handler.
type watched struct {
	Entry
	t      *testing.T
	near   *net.TCPConn
	far    *net.TCPConn
	events chan Event
	ready  atomic.Pointer[func()] // called after the event was noted; nil for none
	idle   func()
}

func (w *watched) Ready(e Event) {
	w.events <- e
	if f := w.ready.Load(); f != nil {
		(*f)()
	}
}

// onReady lets each Ready call f.
func (w *watched) onReady(f func()) { w.ready.Store(&f) }

func (w *watched) Idle() { w.idle() }

// newWatched returns a socket that is not watched yet.
func newWatched(t *testing.T) *watched {
	w := &watched{t: t, events: make(chan Event, 1000)}
	w.near, w.far = pipes.TCP(t, 0)
	t.Cleanup(func() {
		w.Leave()
		_ = w.near.Close()
		_ = w.far.Close()
	})
	return w
}

func (w *watched) raw() syscall.RawConn {
	raw, err := w.near.SyscallConn()
	require.NoError(w.t, err)
	return raw
}

func (w *watched) arm() {
	w.t.Helper()
	require.True(w.t, w.Arm(w.raw(), w))
}

// send lets the socket become readable.
func (w *watched) send() {
	w.t.Helper()
	_, err := w.far.Write([]byte("x"))
	require.NoError(w.t, err)
}

// receive takes a byte that has come.
func (w *watched) receive() {
	w.t.Helper()
	_, err := w.near.Read(make([]byte, 1))
	require.NoError(w.t, err)
}

// armed returns a socket that is watched.
func armed(t *testing.T) *watched {
	w := newWatched(t)
	w.arm()
	return w
}

// pass waits until the poller has reported all that happened before.
func pass(t *testing.T) {
	w := armed(t)
	w.send()
	<-w.events
	w.send()
	<-w.events
}

func TestASocketIsReportedWhenItBecomesReadable(t *testing.T) {
	w := armed(t)
	pass(t)
	require.Empty(t, w.events)
	for range 3 {
		w.send()
		require.Equal(t, Event{}, <-w.events)
		w.receive()
	}
}

func TestAReadableSocketIsReportedOnce(t *testing.T) {
	w := armed(t)
	w.send()
	<-w.events
	pass(t)
	require.Empty(t, w.events)
	w.send()
	<-w.events
}

func TestArmReportsASocketThatIsReadableAlready(t *testing.T) {
	w := newWatched(t)
	w.send()
	w.arm()
	<-w.events
	pass(t)
	require.Empty(t, w.events)
	w.arm()
	<-w.events
}

func TestAMutedSocketIsNotReportedUntilItIsArmed(t *testing.T) {
	w := armed(t)
	w.Mute()
	w.send()
	pass(t)
	require.Empty(t, w.events)
	w.arm()
	<-w.events
}

func TestTheEndOfThePeerIsReported(t *testing.T) {
	w := armed(t)
	require.NoError(t, w.far.CloseWrite())
	require.Equal(t, Event{Ended: true}, <-w.events)
}

func TestALostConnectionIsReportedAlsoOfAMutedSocket(t *testing.T) {
	for _, muted := range []bool{false, true} {
		w := armed(t)
		if muted {
			w.Mute()
		}
		require.NoError(t, w.far.SetLinger(0))
		require.NoError(t, w.far.Close())
		require.Equal(t, Event{Ended: true, Lost: true}, <-w.events)
	}
}

func TestAMutedSocketIsNotMutedAgain(t *testing.T) {
	for _, leave := range []func(*net.TCPConn) error{
		(*net.TCPConn).CloseWrite,
		func(far *net.TCPConn) error { return errors.Join(far.SetLinger(0), far.Close()) },
	} {
		w := armed(t)
		require.NoError(t, leave(w.far))
		<-w.events
		w.Mute()
		pass(t)
		for len(w.events) > 0 { // muting has reported the end again
			<-w.events
		}
		w.Mute()
		pass(t)
		require.Empty(t, w.events)
	}
}

// sameNumber closes the socket of w, and returns another with the same descriptor.
func sameNumber(t *testing.T, w *watched) *watched {
	next := newWatched(t)
	f, err := next.near.File()
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, next.near.Close())
	require.NoError(t, w.near.Close())
	for next.fd != w.fd { // the kernel takes the lowest number that is free
		nc, err := net.FileConn(f)
		require.NoError(t, err)
		t.Cleanup(func() { _ = nc.Close() })
		next.near = nc.(*net.TCPConn)
		require.NoError(t, next.raw().Control(func(fd uintptr) { next.fd = int32(fd) }))
		require.LessOrEqual(t, next.fd, w.fd)
	}
	return next
}

func TestTheNumberOfASocketThatHasLeftMayBeUsedAgain(t *testing.T) {
	w := armed(t)
	w.Leave()
	next := sameNumber(t, w)
	next.arm()
	next.send()
	<-next.events
	require.Empty(t, w.events)
}

func TestASocketThatTheProgramHasClosedDisturbsNoOther(t *testing.T) {
	w := armed(t)
	next := sameNumber(t, w)
	next.arm()
	require.False(t, w.Arm(w.raw(), w), "its number is another's")
	w.Mute()
	next.send()
	<-next.events
	w.Leave()
	next.send()
	<-next.events
	require.Empty(t, w.events)
}

func TestAHandlerThatBlocksHoldsUpNoOther(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for range 100 {
		w := armed(t)
		w.onReady(func() { <-release })
		w.send()
		<-w.events
	}
	w := armed(t)
	for range 3 {
		w.send()
		<-w.events
	}
}

func TestHandlersThatBlockTogetherHoldUpNoOther(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	all := make([]*watched, 100)
	for i := range all {
		all[i] = newWatched(t)
		all[i].onReady(func() { <-release })
		all[i].send()
	}
	for _, w := range all {
		w.arm()
	}
	for _, w := range all {
		<-w.events
	}
}

func TestAHandlerMayEndItsGoroutine(t *testing.T) {
	w := armed(t)
	w.onReady(runtime.Goexit)
	for range 100 {
		w.send()
		<-w.events
	}
}

// A flooded is the entry of a socket that always has more to read: each Ready queues it again.
type flooded struct {
	Entry
	calls atomic.Int64
	stop  atomic.Bool
	ended chan struct{} // closed by the last Ready
}

func (f *flooded) Ready(Event) {
	if f.calls.Add(1); f.stop.Load() {
		close(f.ended)
	} else {
		f.Requeue()
	}
}

func (f *flooded) Idle() {}

// floods returns n entries that are always queued, until the test ends.
func floods(t *testing.T, n int) []*flooded {
	all := make([]*flooded, n)
	for i := range all {
		w, f := newWatched(t), &flooded{ended: make(chan struct{})}
		require.True(t, f.Arm(w.raw(), f))
		t.Cleanup(func() {
			f.stop.Store(true)
			<-f.ended
			f.Leave()
		})
		w.send()
		all[i] = f
	}
	return all
}

func TestRequeueLetsOthersGoFirst(t *testing.T) {
	for _, n := range []int{1, 2 * runtime.GOMAXPROCS(0)} {
		other := armed(t)
		floods(t, n)
		for range 100 {
			other.send()
			select {
			case <-other.events:
			case <-time.After(10 * time.Second):
				require.Fail(t, "entries that are queued again keep the workers from all others")
			}
		}
	}
}

func TestRequeueDoesNotGrowTheQueue(t *testing.T) {
	floods(t, 1)
	for _, f := range floods(t, 2) {
		for f.calls.Load() < 10_000 {
			runtime.Gosched()
		}
	}
	p := current.p
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Less(t, cap(p.ready.entries)+cap(p.again.entries), 1000)
}

func TestRequeueIsKeptWhenTheLastEntryLeaves(t *testing.T) {
	for range 100 {
		w := armed(t)
		w.onReady(func() {
			w.ready.Store(nil)
			require.True(t, w.Requeue())
			w.Leave()
		})
		w.send()
		<-w.events
		<-w.events
		require.False(t, w.Requeue())
	}
}

func TestRequeueIsKeptThoughItsWorkerBlocks(t *testing.T) {
	w, other := armed(t), armed(t)
	release := make(chan struct{})
	defer close(release)
	w.onReady(func() {
		w.ready.Store(nil)
		other.send() // another worker leads
		<-other.events
		require.True(t, w.Requeue())
		<-release
	})
	w.send()
	<-w.events
	<-w.events
}

// descriptors returns those that this process has open.
func descriptors() (open []int) {
	for fd := range 1 << 10 {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil {
			open = append(open, fd)
		}
	}
	return open
}

func TestThePollerEndsWithItsLastEntry(t *testing.T) {
	a, b := newWatched(t), newWatched(t)
	require.NoError(t, goleak.Find(), "the poller of the test before has ended")
	before := descriptors()
	running := goleak.IgnoreCurrent()
	for range 3 {
		a.arm()
		b.arm()
		require.Len(t, descriptors(), len(before)+1)
		a.Leave()
		b.send()
		<-b.events
		b.Leave()
		require.NoError(t, goleak.Find(running))
		require.ElementsMatch(t, before, descriptors())
	}
}

func TestArmFailsWithoutADescriptor(t *testing.T) {
	w := newWatched(t)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	none := before
	none.Cur = 0
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	failed := !w.Arm(w.raw(), w)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
	require.True(t, failed)
	w.arm() // there are some again
	w.send()
	<-w.events
}

func TestArmOfAClosedSocketFails(t *testing.T) {
	w := newWatched(t)
	raw := w.raw()
	require.NoError(t, w.near.Close())
	require.False(t, w.Arm(raw, w))
	require.Nil(t, current.p, "it holds no poller")
}

func TestAnEntryIsInFromArmToLeave(t *testing.T) {
	w := newWatched(t)
	require.False(t, w.IsIn())
	w.arm()
	require.True(t, w.IsIn())
	w.Mute()
	require.True(t, w.IsIn())
	w.Leave()
	require.False(t, w.IsIn())
}

func TestLaterCallsIdleOnceEachTime(t *testing.T) {
	const n = 1000
	var calls atomic.Int32
	done := make(chan struct{})
	w := &watched{idle: func() {
		if calls.Add(1) == 3*n {
			close(done)
		}
	}}
	first := make(chan struct{}, 1)
	again := &watched{}
	again.idle = func() {
		again.idle = func() { first <- struct{}{} }
		Later(again) // as readGate's next holder may
	}
	Later(again)
	for range 3 {
		for range n {
			Later(w)
		}
		runtime.Gosched()
	}
	<-done
	<-first
	require.EqualValues(t, 3*n, calls.Load())
}
