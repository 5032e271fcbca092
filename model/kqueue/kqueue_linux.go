package kqueue

import (
	"fmt"
	"math"
	"syscall"
	"time"
)

// These are what package syscall has on Linux, too.
type (
	RawConn  = syscall.RawConn
	Timespec = syscall.Timespec
)

const EINTR = syscall.EINTR

var (
	ForkLock    = &syscall.ForkLock
	CloseOnExec = syscall.CloseOnExec
)

// A Kevent_t is that of FreeBSD on 64 bits.
type Kevent_t struct {
	Ident  uint64
	Filter int16
	Flags  uint16
	Fflags uint32
	Data   int64
	Udata  *byte
}

const (
	EVFILT_READ  = -0x1
	EVFILT_TIMER = -0x7

	EV_ADD     = 0x1
	EV_DELETE  = 0x2
	EV_ONESHOT = 0x10
	EV_CLEAR   = 0x20
	EV_EOF     = 0x8000

	NOTE_LOWAT = 0x1
)

// SetKevent sets what a change is of, and what it does.
func SetKevent(k *Kevent_t, fd, mode, flags int) {
	k.Ident, k.Filter, k.Flags = uint64(fd), int16(mode), uint16(flags)
}

// Kqueue makes a kqueue: an epoll instance. Unlike the descriptor of a kqueue, a fork copies its
// descriptor. Both are open after an exec, unless they are marked.
func Kqueue() (fd int, err error) { return syscall.EpollCreate1(0) }

// Kevent makes changes or takes events, as kevent(2) does.
func Kevent(kq int, changes, events []Kevent_t, timeout *Timespec) (n int, err error) {
	if len(changes) > 0 && len(events) > 0 {
		panic("kqueue: no model of changes together with events")
	}
	for _, c := range changes { // without room to report it, the first that fails ends the call
		if err := change(kq, c); err != nil {
			return 0, err
		}
	}
	if len(events) == 0 {
		return 0, nil // whatever timeout is
	}
	return take(kq, events, timeout)
}

// edge is EPOLLET, which package syscall has as a negative number.
const edge = 1 << 31

// change changes a knote, which is an entry of the epoll instance. Linux keeps that until the last
// copy of the descriptor is closed. The kernels of BSD drop a knote when its descriptor is closed.
func change(kq int, c Kevent_t) error {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edge, Fd: int32(c.Ident)}
	switch {
	case c.Filter == EVFILT_TIMER && c.Flags == EV_ADD|EV_ONESHOT:
		time.AfterFunc(time.Duration(c.Data)*time.Millisecond, func() { expire(kq, c) })
		return nil
	case c.Filter == EVFILT_READ && c.Flags == EV_DELETE|EV_CLEAR:
		return syscall.EpollCtl(kq, syscall.EPOLL_CTL_DEL, int(c.Ident), &e)
	case c.Filter == EVFILT_READ && c.Flags == EV_ADD|EV_CLEAR && c.Fflags == 0:
		return syscall.EpollCtl(kq, syscall.EPOLL_CTL_ADD, int(c.Ident), &e)
	case c.Filter == EVFILT_READ && c.Flags == EV_ADD|EV_CLEAR && c.Fflags == NOTE_LOWAT &&
		c.Data == math.MaxInt32: // so many bytes never come
		e.Events &^= syscall.EPOLLIN
		return syscall.EpollCtl(kq, syscall.EPOLL_CTL_ADD, int(c.Ident), &e)
	}
	panic(fmt.Sprintf("kqueue: no model of %+v", c))
}

// isTimer marks the entry of a timer.
const isTimer = 1

// expired is a descriptor that is always readable. It is in an epoll instance whose timer has
// expired, until that is reported.
var expired = func() int {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		panic(err)
	}
	_ = syscall.Close(ends[1])
	return ends[0]
}()

// expire reports a timer. If the kqueue was closed meanwhile, its number may be that of another.
func expire(kq int, c Kevent_t) {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.Ident), Pad: isTimer}
	_ = syscall.EpollCtl(kq, syscall.EPOLL_CTL_ADD, expired, &e)
}

// take takes events. A knote is looked at again before it is reported.
func take(kq int, events []Kevent_t, timeout *Timespec) (int, error) {
	wait := -1
	if timeout != nil {
		wait = int(timeout.Nano() / int64(time.Millisecond))
	}
	var found [64]syscall.EpollEvent // an array, since a test counts what is allocated for a message
	n, err := syscall.EpollWait(kq, found[:min(len(events), len(found))], wait)
	if err != nil {
		return 0, err
	}
	for i, e := range found[:n] {
		events[i] = Kevent_t{Ident: uint64(e.Fd), Filter: EVFILT_READ, Flags: EV_CLEAR}
		switch {
		case e.Pad == isTimer:
			events[i].Filter = EVFILT_TIMER
			events[i].Flags = EV_ONESHOT
			_ = syscall.EpollCtl(kq, syscall.EPOLL_CTL_DEL, expired, &syscall.EpollEvent{})
		case e.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP) != 0:
			events[i].Flags |= EV_EOF
			if e.Events&syscall.EPOLLERR != 0 {
				events[i].Fflags = uint32(syscall.ECONNRESET) // the socket's error
			}
		}
	}
	return n, nil
}
