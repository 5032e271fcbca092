//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"math"
	"os"
	"syscall"
)

// A kernel is a kqueue. The poller of Go's runtime cannot watch a kqueue: it asks for EVFILT_WRITE,
// too, which a kqueue refuses. So the leader waits in kevent, on a thread.
//
// A watched socket has one knote, of EVFILT_READ. EV_CLEAR makes it report an edge. Another state
// is another knote: the old one is deleted, and then the new one is added. That fails if there is
// no old one, since closing a descriptor deletes its knotes. A new knote reports what there is
// already, on all these systems; what an old one does when it is added again differs.
type kernel struct {
	file *os.File // keeps the kqueue open while a call is in it
	raw  syscall.RawConn
	fd   int

	waited, looked taken
	waitF, lookF   func(fd uintptr) // made once
}

// An event is a report of the kernel, or a change of a knote.
type event = syscall.Kevent_t

// A taken has the events that a call has taken from the kernel.
type taken struct {
	events [maxEvents]event
	n      int
	err    error
}

// newKernel makes a kqueue. Its descriptor does not survive an exec. A fork does not copy it.
func newKernel() (*kernel, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Kqueue()
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	k := &kernel{file: os.NewFile(uintptr(fd), "kqueue"), fd: fd}
	var none syscall.Timespec
	k.waitF = func(fd uintptr) { k.waited.take(fd, nil) }
	k.lookF = func(fd uintptr) { k.looked.take(fd, &none) }
	if k.raw, err = k.file.SyscallConn(); err != nil {
		_ = k.file.Close()
		return nil, err
	}
	return k, nil
}

// close wakes the leader with a timer, since closing a descriptor does not end a call that waits in
// it. The timer's number is that of the kqueue, which no entry has. All these systems have timers;
// EVFILT_USER is not on all of them.
func (k *kernel) close() {
	timer := event{Data: 1} // ms
	syscall.SetKevent(&timer, k.fd, syscall.EVFILT_TIMER, syscall.EV_ADD|syscall.EV_ONESHOT)
	_ = k.change(timer)
	_ = k.file.Close()
}

// wait waits for events. They are valid until the next call.
func (k *kernel) wait() ([]event, error) {
	if err := k.raw.Control(k.waitF); err != nil {
		return nil, err
	}
	return k.waited.events[:k.waited.n], k.waited.err
}

// now returns the events that there are. They are valid until the next call. wait may be called
// concurrently; close must not.
func (k *kernel) now() []event {
	_ = k.raw.Control(k.lookF) // if it fails, wait tells
	return k.looked.events[:k.looked.n]
}

// take takes the events that there are. It waits until timeout has passed; for ever if that is nil.
func (t *taken) take(fd uintptr, timeout *syscall.Timespec) {
	for {
		n, err := syscall.Kevent(int(fd), nil, t.events[:], timeout)
		if err != syscall.EINTR {
			t.n, t.err = max(n, 0), os.NewSyscallError("kevent", err)
			return
		}
	}
}

// decode takes the error that the kernel has noted for the socket from Fflags.
func decode(e event) (fd int32, _ Event) {
	ended := e.Flags&syscall.EV_EOF != 0
	return int32(e.Ident), Event{Ended: ended, Lost: ended && e.Fflags != 0}
}

func (k *kernel) add(fd int32) error { return k.change(knote(fd, syscall.EV_ADD)) }

// arm also reports a socket that is readable already.
func (k *kernel) arm(fd int32) error {
	return k.change(knote(fd, syscall.EV_DELETE), knote(fd, syscall.EV_ADD))
}

// mute leaves reports of the peer's end, and of a reset. A report of bytes needs more of them then
// than a socket buffers. On macOS, which takes its buffer for enough, a full one is reported.
func (k *kernel) mute(fd int32) error {
	ends := knote(fd, syscall.EV_ADD)
	ends.Fflags, ends.Data = syscall.NOTE_LOWAT, math.MaxInt32
	return k.change(knote(fd, syscall.EV_DELETE), ends)
}

// knote returns a change of a socket's knote.
func knote(fd int32, change int) (e event) {
	syscall.SetKevent(&e, int(fd), syscall.EVFILT_READ, change|syscall.EV_CLEAR)
	return e
}

// change makes changes in order, as far as the first that fails.
func (k *kernel) change(changes ...event) error {
	_, err := syscall.Kevent(k.fd, changes, nil, nil)
	return err
}
