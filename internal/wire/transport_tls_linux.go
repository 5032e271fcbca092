//go:build amd64 || arm64

package wire

import (
	"crypto/tls"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// A tlsSocket is the nonblocking transport of TLS over TCP. A write does not block while the kernel
// has room for its records.
type tlsSocket struct {
	nc    *tls.Conn
	raw   syscall.RawConn
	free  int // bytes of room, as the kernel counts them
	freeF func(fd uintptr)
}

// newNonblocking returns nc as a nonblocking transport, nil if it is none. With a limit on unsent
// bytes in the kernel a write may block although there is room, so such a socket is none.
func newNonblocking(nc net.Conn) nonblocking {
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
	own := 0 // the socket's own limit
	_ = raw.Control(func(fd uintptr) {
		const notSentLowat = 25 // TCP_NOTSENT_LOWAT
		own, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat)
	})
	if limitsUnsent(own, limitedByAll()) {
		return nil
	}
	s := &tlsSocket{nc: tc, raw: raw}
	s.freeF = s.look
	return s
}

// limitedByAll reports whether the system limits the unsent bytes of sockets without a limit of
// their own.
var limitedByAll = sync.OnceValue(func() bool {
	return isLimit(os.ReadFile("/proc/sys/net/ipv4/tcp_notsent_lowat"))
})

// isLimit reports whether the system's file, as it was read, has a limit.
func isLimit(text []byte, err error) bool {
	const none = "4294967295"
	return err == nil && strings.TrimSpace(string(text)) != none
}

// limitsUnsent reports whether a socket limits its unsent bytes. own is its own limit: 0 if it has
// that of all sockets, and negative for 2 GiB and more, which are no limit.
func limitsUnsent(own int, all bool) bool { return own > 0 || own == 0 && all }

// write writes chunks while the kernel has room for them.
func (s *tlsSocket) write(first, last *chunk, _ bool) (wrote int, err error) {
	if err := s.raw.Control(s.freeF); err != nil {
		return 0, err
	}
	for c := first; ; c = c.next {
		b := c.buf[c.taken:]
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

// cost returns how many bytes of room the kernel may count for n bytes. They leave in records of 1
// to 16 KiB. Each can be a packet of its own, which counts as its bytes and somewhat more than 1
// KiB.
func cost(n int) int { return tlsMargin + 2*n }

// look asks the kernel how much room it has.
func (s *tlsSocket) look(fd uintptr) {
	const (
		memInfo = 55 // SO_MEMINFO; Linux 4.12
		sndBuf  = 3  // SK_MEMINFO_SNDBUF
		queued  = 5  // SK_MEMINFO_WMEM_QUEUED
	)
	var info [9]uint32
	const size = uint32(unsafe.Sizeof(info))
	length := size
	_, _, no := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, memInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if s.free = 0; no == 0 && length == size {
		s.free = int(info[sndBuf]) - int(info[queued])
	}
}
