//go:build unix

package wire

import (
	"net"
	"syscall"
)

// A tryFunc writes what the transport takes at once, and never waits.
type tryFunc = func(p []byte) (n int, err error)

// newTry returns a tryFunc for the sockets that have one, by their exact type: a type around them that counts or
// limits must not be bypassed.
func newTry(nc net.Conn) tryFunc {
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
	var buf []byte // of the one who sends: there is one at a time
	var n int
	var failed error
	write := func(fd uintptr) bool {
		for {
			n, failed = syscall.Write(int(fd), buf)
			if failed != syscall.EINTR {
				return true
			}
		}
	}
	return func(p []byte) (int, error) {
		buf, n, failed = p, 0, nil
		err := raw.Write(write)
		buf = nil
		switch {
		case err != nil:
			return 0, err
		case failed == syscall.EAGAIN:
			return 0, nil
		case failed != nil:
			return 0, &net.OpError{Op: "write", Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: failed}
		}
		return n, nil
	}
}
