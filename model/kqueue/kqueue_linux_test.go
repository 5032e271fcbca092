package kqueue

import (
	"math"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/pipes"
)

// A queue is a kqueue with one socket.
type queue struct {
	t         *testing.T
	kq, fd    int
	near, far *net.TCPConn
}

func newQueue(t *testing.T) *queue {
	kq, err := Kqueue()
	require.NoError(t, err)
	q := &queue{t: t, kq: kq}
	q.near, q.far = pipes.TCP(t, 0)
	t.Cleanup(func() {
		_ = syscall.Close(kq)
		_ = q.near.Close()
		_ = q.far.Close()
	})
	raw, err := q.near.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { q.fd = int(fd) }))
	return q
}

// change returns a change of the socket's knote.
func (q *queue) change(flags int) (k Kevent_t) {
	SetKevent(&k, q.fd, EVFILT_READ, flags|EV_CLEAR)
	return k
}

// make makes changes.
func (q *queue) make(changes ...Kevent_t) error {
	_, err := Kevent(q.kq, changes, nil, nil)
	return err
}

func (q *queue) add()  { require.NoError(q.t, q.make(q.change(EV_ADD))) }
func (q *queue) send() { _, _ = q.far.Write([]byte("x")) }

// next waits for an event.
func (q *queue) next() Kevent_t {
	events := make([]Kevent_t, 2)
	n, err := Kevent(q.kq, nil, events, nil)
	require.NoError(q.t, err)
	require.Equal(q.t, 1, n)
	return events[0]
}

// none checks that there is no event.
func (q *queue) none() {
	q.t.Helper()
	n, err := Kevent(q.kq, nil, make([]Kevent_t, 2), &Timespec{})
	require.NoError(q.t, err)
	require.Zero(q.t, n)
}

func TestAKnoteWithClearReportsEachEdge(t *testing.T) {
	q := newQueue(t)
	q.add()
	q.none()
	for range 2 { // the first byte stays unread
		q.send()
		require.Equal(t, Kevent_t{Ident: uint64(q.fd), Filter: EVFILT_READ, Flags: EV_CLEAR}, q.next())
		q.none()
	}
}

func TestANewKnoteReportsWhatThereIs(t *testing.T) {
	q := newQueue(t)
	q.add()
	q.send()
	q.next()
	require.NoError(t, q.make(q.change(EV_DELETE), q.change(EV_ADD)))
	q.next()
	q.none()
}

func TestWhatWasReadMeanwhileIsNotReported(t *testing.T) {
	q := newQueue(t)
	q.add()
	q.send()
	_, err := q.near.Read(make([]byte, 1))
	require.NoError(t, err)
	q.none()
}

func TestTheFirstChangeThatFailsEndsTheCall(t *testing.T) {
	q := newQueue(t)
	require.Equal(t, syscall.ENOENT, q.make(q.change(EV_DELETE), q.change(EV_ADD)))
	q.send()
	q.none()
	q.add()
	require.Equal(t, syscall.EEXIST, q.make(q.change(EV_ADD)))
	require.NoError(t, q.near.Close())
	require.Equal(t, syscall.EBADF, q.make(q.change(EV_DELETE)))
}

func TestALowWaterMarkLeavesTheEnd(t *testing.T) {
	q := newQueue(t)
	high := q.change(EV_ADD)
	high.Fflags, high.Data = NOTE_LOWAT, math.MaxInt32
	require.NoError(t, q.make(high))
	q.send()
	q.none()
	require.NoError(t, q.far.CloseWrite())
	e := q.next()
	require.NotZero(t, e.Flags&EV_EOF)
	require.Zero(t, e.Fflags)
	require.NoError(t, q.make(q.change(EV_DELETE), high))
	require.Equal(t, e, q.next(), "a new knote reports the end again")
	q.none()
}

func TestAnEndHasTheErrorOfTheSocket(t *testing.T) {
	q := newQueue(t)
	q.add()
	require.NoError(t, q.far.SetLinger(0))
	require.NoError(t, q.far.Close())
	e := q.next()
	require.NotZero(t, e.Flags&EV_EOF)
	require.EqualValues(t, syscall.ECONNRESET, e.Fflags)
}

func TestATimerEndsAWait(t *testing.T) {
	q := newQueue(t)
	for range 2 {
		timer := Kevent_t{Data: 1}
		SetKevent(&timer, q.kq, EVFILT_TIMER, EV_ADD|EV_ONESHOT)
		require.NoError(t, q.make(timer))
		e := q.next()
		require.EqualValues(t, EVFILT_TIMER, e.Filter)
		require.EqualValues(t, q.kq, e.Ident)
		q.none()
	}
}

func TestOtherChangesPanic(t *testing.T) {
	q := newQueue(t)
	const enable = 0x4
	low := q.change(EV_ADD)
	low.Fflags, low.Data = NOTE_LOWAT, 100
	for _, k := range []Kevent_t{q.change(enable), q.change(EV_ADD | EV_ONESHOT), low, {}} {
		require.Panics(t, func() { _ = q.make(k) })
	}
	require.Panics(t, func() { _, _ = Kevent(q.kq, []Kevent_t{{}}, []Kevent_t{{}}, nil) })
}
