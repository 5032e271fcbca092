//go:build unix && (!linux || !(amd64 || arm64) || race)

package wire

import "syscall"

// readNow reads from a socket that does not block. The race detector knows of syscall.Read that
// what happened before a write happened before the read of its bytes.
func readNow(fd int, b []byte) (int, error) { return syscall.Read(fd, b) }

// writeNow writes to a socket that does not block.
func writeNow(fd int, b []byte) (int, error) { return syscall.Write(fd, b) }
