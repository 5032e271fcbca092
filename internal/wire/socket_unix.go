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

	in, out     answer
	first, last *chunk // which a write is given
	wait        bool
	inF, outF   func(fd uintptr) bool // made once
}

// An answer is a system call's.
type answer struct {
	n   int
	err syscall.Errno // 0 for none
}

// newPrompt returns the prompt of the transport of c, nil if it has none, by its exact type: a type around a socket that
// counts or limits must not be bypassed.
func newPrompt(c *Conn) prompt {
	var raw syscall.RawConn
	var err error
	switch nc := c.nc.(type) {
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
	s := &socket{c: c, raw: raw}
	s.inF, s.outF = s.tryRead, s.tryWrite
	return s
}

func (s *socket) read() (int, error) {
	if err := s.raw.Read(s.inF); err != nil {
		return 0, err
	}
	if s.in.n == 0 && s.in.err == 0 {
		return 0, io.EOF
	}
	return s.in.result(s.c.nc, "read")
}

func (s *socket) tryRead(fd uintptr) bool {
	buf := s.c.room()
	for s.in.of(syscall.Read(int(fd), within(buf))) {
	}
	if s.in.err != syscall.EAGAIN {
		return true
	}
	s.c.unroom()
	return false
}

func (s *socket) write(first, last *chunk, wait bool) (int, error) {
	s.first, s.last, s.wait = first, last, wait
	err := s.raw.Write(s.outF)
	s.first, s.last = nil, nil
	if err != nil {
		return 0, err
	}
	return s.out.result(s.c.nc, "write")
}

func (s *socket) tryWrite(fd uintptr) bool {
	if s.first == s.last {
		buf := s.first.buf[s.first.sent:]
		for s.out.of(syscall.Write(int(fd), within(buf))) {
		}
	} else {
		for s.out.of(writev(int(fd), s.first, s.last)) {
		}
	}
	if s.out.err != syscall.EAGAIN {
		return true
	}
	s.out.err = 0
	return !s.wait
}

// most is how many bytes a system call is given: Darwin and FreeBSD refuse 2 GiB and more.
const most = 1 << 30

func within(b []byte) []byte { return b[:min(len(b), most)] }

// of notes what a system call has returned, and reports whether it has to be made again.
func (a *answer) of(n int, err error) (again bool) {
	a.n = max(n, 0)
	a.err, _ = err.(syscall.Errno) // it is one, or nil
	return a.err == syscall.EINTR
}

func (a *answer) result(nc net.Conn, op string) (int, error) {
	if a.err != 0 {
		return 0, &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: a.err}
	}
	return a.n, nil
}
