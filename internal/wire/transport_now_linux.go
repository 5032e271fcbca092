//go:build (amd64 || arm64) && !race

package wire

import (
	"syscall"
	"unsafe"
)

// readNow and writeNow are read and write for a socket. They never wait, whatever its descriptor
// says. A short one is not announced to Go's scheduler. An announcement can wake the thread that
// looks for goroutines in long system calls, which then runs for milliseconds. With many
// connections, that thread took a tenth of the processor's time.

func readNow(fd int, b []byte) (int, error) { return callNow(syscall.SYS_RECVFROM, fd, b, 0) }

func writeNow(fd int, b []byte) (int, error) {
	return callNow(syscall.SYS_SENDTO, fd, b, syscall.MSG_NOSIGNAL)
}

// isReadable reports whether a read from a socket would not wait.
func isReadable(fd int) bool {
	var b [1]byte
	_, err := callNow(syscall.SYS_RECVFROM, fd, b[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}

// callNow makes recvfrom or sendto, without an address.
func callNow(call uintptr, fd int, b []byte, flags uintptr) (n int, err error) {
	at, flags := uintptr(unsafe.Pointer(unsafe.SliceData(b))), flags|syscall.MSG_DONTWAIT
	var done uintptr
	var errno syscall.Errno
	if len(b) <= shortCall {
		done, _, errno = syscall.RawSyscall6(call, uintptr(fd), at, uintptr(len(b)), flags, 0, 0)
	} else {
		done, _, errno = syscall.Syscall6(call, uintptr(fd), at, uintptr(len(b)), flags, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(done), nil
}
