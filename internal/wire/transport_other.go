//go:build !unix

package wire

import "net"

// fault returns nil: here no transport tells of an error without a read.
func socketError(net.Conn) error { return nil }

// newPrompt returns nil: here no transport has a prompt.
func newPollable(*Conn) pollable { return nil }
