package poller

import (
	"os"
	"syscall"
)

// A kernel is an epoll instance. Its descriptor is in the poller of Go's runtime, as those of the
// sockets are. So the leader waits like every other goroutine, without a thread of its own, and one
// wakeup of the process reports a socket to both.
type kernel struct {
	file *os.File
	raw  syscall.RawConn
	fd   int

	waited taken
	looked taken
	waitF  func(fd uintptr) bool // made once
}

// An event is a report of the kernel.
type event = syscall.EpollEvent

// A taken has the events that a call has taken from the kernel.
type taken struct {
	events [maxEvents]event
	n      int
	err    error
}

// edge is EPOLLET, which package syscall has as a negative number.
const edge = 1 << 31

// newKernel makes an instance. Its descriptor does not survive an exec.
func newKernel() (*kernel, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // then NewFile gives it to the runtime's poller
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	k := &kernel{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	k.waitF = k.waited.take
	if k.raw, err = k.file.SyscallConn(); err != nil {
		_ = k.file.Close()
		return nil, err
	}
	return k, nil
}

func (k *kernel) close() { _ = k.file.Close() }

// wait waits for events. They are valid until the next call.
func (k *kernel) wait() ([]event, error) {
	if err := k.raw.Read(k.waitF); err != nil {
		return nil, err
	}
	return k.waited.events[:k.waited.n], k.waited.err
}

// now returns the events that there are. They are valid until the next call. wait may be called
// concurrently; close must not.
func (k *kernel) now() []event {
	k.looked.take(uintptr(k.fd)) // if it fails, wait tells
	return k.looked.events[:k.looked.n]
}

// take takes the events that there are, without waiting. It reports false if there are none.
func (t *taken) take(fd uintptr) bool {
	for {
		n, err := syscall.EpollWait(int(fd), t.events[:], 0)
		if err == syscall.EINTR {
			continue
		}
		t.n, t.err = max(n, 0), os.NewSyscallError("epoll_wait", err)
		return n != 0
	}
}

func decode(e event) (fd int32, _ Event) {
	return e.Fd, Event{
		Ended: e.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0,
		Lost:  e.Events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0,
	}
}

func (k *kernel) add(fd int32) error {
	return k.control(syscall.EPOLL_CTL_ADD, fd, syscall.EPOLLIN|syscall.EPOLLRDHUP|edge)
}

// arm also reports a socket that is readable already.
func (k *kernel) arm(fd int32) error {
	return k.control(syscall.EPOLL_CTL_MOD, fd, syscall.EPOLLIN|syscall.EPOLLRDHUP|edge)
}

func (k *kernel) mute(fd int32) error { return k.control(syscall.EPOLL_CTL_MOD, fd, edge) }

func (k *kernel) control(op int, fd int32, events uint32) error {
	return syscall.EpollCtl(k.fd, op, int(fd), &syscall.EpollEvent{Events: events, Fd: fd})
}
