//go:build !unix

package wire

import "net"

// newPrompt returns nil: here no transport has a prompt.
func newPrompt(net.Conn, func() []byte, func()) prompt { return nil }
