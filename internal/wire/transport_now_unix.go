//go:build unix && (!linux || !(amd64 || arm64) || race)

package wire

import "syscall"

// readNow reads from a socket that does not block. The race detector knows of syscall.Read that
// what happened before a write happened before the read of its bytes.
func readNow(fd int, b []byte) (int, error) { return syscall.Read(fd, b) }

// writeNow writes to a socket that does not block.
func writeNow(fd int, b []byte) (int, error) { return syscall.Write(fd, b) }

// isReadable reports whether a read from a socket would not wait.
func isReadable(fd int) bool {
	_, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}
