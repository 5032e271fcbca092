//go:build !unix

package wire

import "net"

// A tryFunc writes what the transport takes at once, and never waits. Here no transport has one.
type tryFunc = func(p []byte) (n int, err error)

func newTry(net.Conn) tryFunc { return nil }
