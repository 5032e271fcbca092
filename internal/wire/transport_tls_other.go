//go:build !linux || !(amd64 || arm64)

package wire

import "net"

// newPusher returns nil: here a transport without a prompt may always block.
func newNonblocking(net.Conn) nonblocking { return nil }
