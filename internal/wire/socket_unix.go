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

	in        call
	out       *call                 // nil until something was written
	inF, outF func(fd uintptr) bool // made once: each call would allocate them
}

// A call is what a system call is asked and has answered.
type call struct {
	buf, more []byte
	n         int
	err       syscall.Errno // 0 for none
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
	s.inF = func(fd uintptr) bool { // not a method: that would be one more frame on the stack of whoever waits
		if s.in.buf == nil {
			return true // after a wait
		}
		if s.in.do(syscall.Read, fd); s.in.err != syscall.EAGAIN {
			return true
		}
		if c.scratch == nil {
			c.in.trim() // all that unroom would do, with a frame less
		} else {
			c.unroom()
		}
		return false
	}
	return s
}

// read borrows the memory before it goes down into the transport, and comes back for it after a wait: whoever waits shall
// do with a stack of 2 KiB.
func (s *socket) read() (int, error) {
	for s.in.err = syscall.EAGAIN; s.in.err == syscall.EAGAIN; {
		s.in.buf = s.c.room()
		if err := s.raw.Read(s.inF); err != nil {
			s.in.buf = nil
			return 0, err
		}
	}
	if s.in.n == 0 && s.in.err == 0 {
		return 0, io.EOF
	}
	return s.in.result(s.c.nc, "read")
}

func (s *socket) write(p, more []byte) (int, error) {
	if s.out == nil {
		s.out, s.outF = new(call), s.tryWrite
	}
	s.out.buf, s.out.more = p, more
	if err := s.raw.Write(s.outF); err != nil {
		return 0, err
	}
	return s.out.result(s.c.nc, "write")
}

func (s *socket) tryWrite(fd uintptr) bool {
	if len(s.out.more) > 0 {
		s.out.do(s.out.writev, fd)
	} else {
		s.out.do(syscall.Write, fd)
	}
	if s.out.err == syscall.EAGAIN {
		s.out.err = 0
	}
	return true
}

// most is how many bytes a system call is given: Darwin and FreeBSD refuse 2 GiB and more.
const most = 1 << 30

func (c *call) do(f func(fd int, p []byte) (int, error), fd uintptr) {
	for {
		n, err := f(int(fd), c.buf[:min(len(c.buf), most)])
		c.n = max(n, 0)
		c.err, _ = err.(syscall.Errno) // it is one, or nil
		if c.err != syscall.EINTR {
			c.buf, c.more = nil, nil
			return
		}
	}
}

func (c *call) result(nc net.Conn, op string) (int, error) {
	if c.err != 0 {
		return 0, &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: c.err}
	}
	return c.n, nil
}
