//go:build unix

package wire

import (
	"io"
	"net"
	"syscall"
)

// A socket is the prompt of a TCP or unix connection, whose descriptor does not block.
type socket struct {
	c   *Conn
	raw syscall.RawConn

	in  callResult
	inF func(fd uintptr) bool // made once: each call would allocate it
	buf []byte                // which a read is given
	out *outgoing             // nil until something was written
}

// An answer is a system call's.
type callResult struct {
	n   int
	err syscall.Errno // 0 for none
}

// An outgoing is what a write is given.
type outgoing struct {
	callResult
	first, last *chunk
	wait        bool
	f           func(fd uintptr) bool // made once
}

// newPrompt returns the prompt of the transport of c, nil if it has none, by its exact type: a type around a socket that
// counts or limits must not be bypassed.
func newPollable(c *Conn) pollable {
	raw := rawSocket(c.nc)
	if raw == nil {
		return nil
	}
	s := &socket{c: c, raw: raw}
	s.inF = func(fd uintptr) bool { // not a method: that would be one more frame on the stack of whoever waits
		if s.buf == nil {
			return true // after a wait
		}
		for s.in.note(syscall.Read(int(fd), clip(s.buf))) {
		}
		if s.buf = nil; s.in.err != syscall.EAGAIN {
			return true
		}
		if c.recv.scratch == nil {
			c.recv.in.trim() // all that unroom would do, with a frame less
		} else {
			c.returnBuffer()
		}
		return false
	}
	return s
}

// read borrows the memory before it goes down into the transport, and comes back for it after a wait: whoever waits shall
// do with a stack of 2 KiB.
func (s *socket) read() (int, error) {
	for s.in.err = syscall.EAGAIN; s.in.err == syscall.EAGAIN; {
		s.buf = s.c.borrowBuffer()
		if err := s.raw.Read(s.inF); err != nil {
			s.buf = nil
			return 0, err
		}
	}
	if s.in.n == 0 && s.in.err == 0 {
		return 0, io.EOF
	}
	return s.in.result(s.c.nc, "read")
}

func (s *socket) write(first, last *chunk, wait bool) (int, error) {
	if s.out == nil {
		s.out = new(outgoing)
		s.out.f = s.out.try
	}
	o := s.out
	o.first, o.last, o.wait = first, last, wait
	err := s.raw.Write(o.f)
	o.first, o.last = nil, nil
	if err != nil {
		return 0, err
	}
	return o.result(s.c.nc, "write")
}

// try makes the call, and reports whether that was all.
func (o *outgoing) try(fd uintptr) bool {
	if o.first == o.last {
		buf := o.first.buf[o.first.taken:]
		for o.note(syscall.Write(int(fd), clip(buf))) {
		}
	} else {
		for o.note(writev(int(fd), o.first, o.last)) {
		}
	}
	if o.err != syscall.EAGAIN {
		return true
	}
	o.err = 0
	return !o.wait
}

// fault returns the error that the kernel has noted for a socket, under TLS too, as it does for a
// reset, and for a peer that does not answer TCP's own keepalive; nil if there is none. The kernel
// forgets it, so the connection is lost then.
func socketError(nc net.Conn) error {
	var raw syscall.RawConn
	var err error
	switch nc := socketOf(nc).(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	var a callResult
	_ = raw.Control(func(fd uintptr) {
		if n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err == nil {
			a.err = syscall.Errno(n)
		}
	})
	_, err = a.result(socketOf(nc), "read")
	return err
}

// most is how many bytes a system call is given: Darwin and FreeBSD refuse 2 GiB and more.
const maxSyscall = 1 << 30

func clip(b []byte) []byte { return b[:min(len(b), maxSyscall)] }

// of notes what a system call has returned, and reports whether it has to be made again.
func (a *callResult) note(n int, err error) (again bool) {
	a.n = max(n, 0)
	a.err, _ = err.(syscall.Errno) // it is one, or nil
	return a.err == syscall.EINTR
}

func (a *callResult) result(nc net.Conn, op string) (int, error) {
	if a.err != 0 {
		return 0, &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: a.err}
	}
	return a.n, nil
}
