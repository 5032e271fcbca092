//go:build amd64 || arm64

package wire

import (
	"encoding/binary"
	"net"
	"syscall"
	"unsafe"
)

// tcpProgress returns how many bytes the peer's kernel has acknowledged since a TCP connection
// began, and how many ours still holds. That works under TLS, too. ok is false if the kernel does
// not tell.
func tcpProgress(nc net.Conn) (acked, queued uint64, ok bool) {
	tc, ok := socketOf(nc).(*net.TCPConn)
	if !ok {
		return 0, 0, false
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	ok = false
	_ = raw.Control(func(fd uintptr) {
		const offset, size = 120, 128 // of tcpi_bytes_acked in struct tcp_info; Linux 4.1
		var info [size]byte
		var n int32
		length := uint32(size)
		_, _, errInfo := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd,
			syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
		_, _, errQueue := syscall.Syscall(syscall.SYS_IOCTL, fd,
			syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
		acked, queued = binary.NativeEndian.Uint64(info[offset:]), uint64(max(n, 0))
		ok = errInfo == 0 && errQueue == 0 && length == size
	})
	return acked, queued, ok
}
