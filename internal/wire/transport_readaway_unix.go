//go:build unix

package wire

import (
	"net"
	"syscall"
)

// maxReadAway is how many bytes readAway reads at most: a peer that goes on sending does not hold up a close.
const maxReadAway = 64 << 20

// rawSocket returns the descriptor of a TCP or unix connection, by its exact type; nil if nc is another transport.
func rawSocket(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// readAway drops what stands in the receive queue of a socket that is about to be closed, without waiting. A socket that
// is closed over unread bytes is reset, and the kernel throws away what it had taken to send (RFC 9293, section 3.6.1).
// The read stands in Control, since a goroutine that waits in RawConn.Read has that call for itself.
func drainReceived(nc net.Conn) {
	raw := rawSocket(nc)
	if raw == nil {
		return
	}
	c := borrow(largeChunk)
	defer c.release()
	buf := c.buf[:cap(c.buf)]
	_ = raw.Control(func(fd uintptr) {
		for left := maxReadAway; left > 0; {
			n, err := syscall.Read(int(fd), buf)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 {
				return
			}
			left -= n
		}
	})
}
