//go:build !unix

package wire

// newPrompt returns nil: here no transport has a prompt.
func newPrompt(*Conn) prompt { return nil }
