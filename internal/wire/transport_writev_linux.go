package wire

import (
	"syscall"
	"unsafe"
)

// writev writes the chunks from first to last in one system call. They are maxVector at most.
//
// One call with a MiB takes 1.5 times as long as two calls with half of it, over loopback with
// Linux 6.18. maxVector keeps a call below that.
func writev(fd int, first, last *chunk) (int, error) {
	var iov [maxVector]syscall.Iovec
	n := 0
	for c := first; ; c = c.next {
		b := c.buf[c.taken:]
		iov[n].Base = unsafe.SliceData(b)
		iov[n].SetLen(len(b))
		if n++; c == last {
			break
		}
	}
	wrote, _, errno := syscall.Syscall(syscall.SYS_WRITEV,
		uintptr(fd), uintptr(unsafe.Pointer(&iov)), uintptr(n))
	if errno != 0 {
		return 0, errno
	}
	return int(wrote), nil
}
