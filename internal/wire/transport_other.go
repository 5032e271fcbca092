//go:build !unix

package wire

import "net"

// newPollable returns nil: here no transport is pollable.
func newPollable(*Conn) pollable { return nil }

// newTLSInput returns nil: here no input is watched.
func newTLSInput(*Conn, bool) watchable { return nil }

// socketError returns nil: here no transport reports an error without a read.
func socketError(net.Conn) error { return nil }

// drainReceived does nothing: here no socket can be read without waiting.
func drainReceived(net.Conn) {}
