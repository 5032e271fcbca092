//go:build unix

package wire

import (
	"io"
	"net"
	"syscall"
)

// A socket is the prompt of a TCP or unix connection, whose descriptor does not block.
type socket struct {
	nc  net.Conn
	raw syscall.RawConn

	in, out   call
	inF, outF func(fd uintptr) bool // made once
	room      func() []byte         // as newPrompt got it, as the next
	unroom    func()
	waited    bool // the read had to wait
}

// A call is what a system call is asked and has answered.
type call struct {
	buf []byte
	n   int
	err error
}

// newPrompt returns the prompt of nc, nil if it has none, by its exact type: a type around a socket that counts or limits
// must not be bypassed. A read borrows its memory from room, and gives it back to unroom while there are no bytes.
func newPrompt(nc net.Conn, room func() []byte, unroom func()) prompt {
	var raw syscall.RawConn
	var err error
	switch nc := nc.(type) {
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
	s := &socket{nc: nc, raw: raw, room: room, unroom: unroom}
	s.inF, s.outF = s.tryRead, s.tryWrite
	return s
}

func (s *socket) read() (n int, waited bool, err error) {
	s.waited = false
	if err := s.raw.Read(s.inF); err != nil {
		return 0, s.waited, err
	}
	n, err = s.in.result(s, "read")
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, s.waited, err
}

func (s *socket) tryRead(fd uintptr) bool {
	s.in.buf = s.room()
	if s.in.do(syscall.Read, fd); s.in.err != syscall.EAGAIN {
		return true
	}
	s.unroom()
	s.waited = true
	return false
}

func (s *socket) write(p []byte) (int, error) {
	s.out.buf = p
	if err := s.raw.Write(s.outF); err != nil {
		return 0, err
	}
	return s.out.result(s, "write")
}

func (s *socket) tryWrite(fd uintptr) bool {
	if s.out.do(syscall.Write, fd); s.out.err == syscall.EAGAIN {
		s.out.err = nil
	}
	return true
}

func (c *call) do(f func(fd int, p []byte) (int, error), fd uintptr) {
	for {
		c.n, c.err = f(int(fd), c.buf)
		if c.err != syscall.EINTR {
			c.buf = nil
			return
		}
	}
}

func (c *call) result(s *socket, op string) (int, error) {
	if c.err != nil {
		return 0, &net.OpError{Op: op, Net: s.nc.LocalAddr().Network(), Source: s.nc.LocalAddr(), Addr: s.nc.RemoteAddr(), Err: c.err}
	}
	return max(c.n, 0), nil
}
