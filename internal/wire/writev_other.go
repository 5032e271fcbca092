//go:build unix && !linux

package wire

import "syscall"

// writev writes p, and then c.more.
func (c *call) writev(fd int, p []byte) (int, error) {
	n, err := syscall.Write(fd, p)
	if err != nil || n < len(p) {
		return n, err
	}
	m, _ := syscall.Write(fd, c.more) // an error comes again with the next write
	return n + max(m, 0), nil
}
