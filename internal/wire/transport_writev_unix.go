//go:build unix && !linux

package wire

import "syscall"

// writev writes the chunks from first to last, each in a system call.
func writev(fd int, first, last *chunk) (wrote int, err error) {
	for c := first; ; c = c.next {
		b := c.buf[c.taken:]
		n, err := syscall.Write(fd, clip(b))
		wrote += max(n, 0)
		switch {
		case wrote == 0:
			return 0, err
		case n < len(b), c == last:
			return wrote, nil // the next write gets the error again
		}
	}
}
