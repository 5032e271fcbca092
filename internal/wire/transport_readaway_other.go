//go:build !unix

package wire

import "net"

// readAway does nothing: a socket of this system cannot be read without waiting.
func drainReceived(net.Conn) {}
