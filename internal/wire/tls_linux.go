//go:build amd64 || arm64

package wire

import (
	"crypto/tls"
	"net"
	"syscall"
	"unsafe"
)

// A tlsSocket is the pusher of TLS over TCP: a write does not block while the kernel has room for the records.
type tlsSocket struct {
	nc    *tls.Conn
	raw   syscall.RawConn
	free  int // bytes, counted as the kernel does
	freeF func(fd uintptr)
}

// newPusher returns the pusher of nc, nil if it has none.
func newPusher(nc net.Conn) pusher {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	socket, ok := tc.NetConn().(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	s := &tlsSocket{nc: tc, raw: raw}
	s.freeF = s.look
	return s
}

// write writes chunks while there is room for them.
func (s *tlsSocket) write(first, last *chunk, _ bool) (wrote int, err error) {
	if err := s.raw.Control(s.freeF); err != nil {
		return 0, err
	}
	for c := first; ; c = c.next {
		b := c.buf[c.sent:]
		if s.free -= cost(len(b)); s.free < 0 {
			return wrote, nil
		}
		n, err := s.nc.Write(b)
		wrote += n
		if err != nil || c == last {
			return wrote, err
		}
	}
}

// cost is what the kernel may count n bytes as. They go in records of 1 to 16 KiB, each of which can be a packet of its
// own, and beside its bytes a packet counts as somewhat more than 1 KiB.
func cost(n int) int { return 4<<10 + 2*n }

// look asks the kernel how much room there is.
func (s *tlsSocket) look(fd uintptr) {
	const (
		memInfo = 55 // SO_MEMINFO; Linux 4.12
		sndBuf  = 3  // SK_MEMINFO_SNDBUF
		queued  = 5  // SK_MEMINFO_WMEM_QUEUED
	)
	var info [9]uint32
	length := uint32(unsafe.Sizeof(info))
	_, _, no := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, memInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if s.free = 0; no == 0 && length > queued*4 {
		s.free = int(info[sndBuf]) - int(info[queued])
	}
}
