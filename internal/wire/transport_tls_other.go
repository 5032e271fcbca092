//go:build !linux || !(amd64 || arm64)

package wire

import "net"

// newNonblocking returns nil: here a transport that is not pollable may always block.
func newNonblocking(net.Conn) nonblocking { return nil }
