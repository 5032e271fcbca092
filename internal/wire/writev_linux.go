package wire

import (
	"syscall"
	"unsafe"
)

// writev writes p, and then c.more, in one system call.
func (c *call) writev(fd int, p []byte) (int, error) {
	var iov [2]syscall.Iovec
	for i, b := range [][]byte{p, c.more} {
		iov[i].Base = unsafe.SliceData(b)
		iov[i].SetLen(len(b))
	}
	n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
