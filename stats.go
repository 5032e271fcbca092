package wsstream

import "time"

// Stats are a connection's figures so far.
type Stats struct {
	Received Flow
	Sent     Flow
}

// A Flow is what went one way.
type Flow struct {
	Messages int64 // whole messages: delivered to the caller, or accepted from it
	Bytes    int64 // their payload

	// Held are the bytes held now: wire bytes that nobody has pulled, or that the transport has not taken. HeldMax
	// is the most that ever were, with what a Pull held to assemble a message.
	Held, HeldMax int64

	// Stalled is how long there was no credit, or less than a call waited for: the consumer was
	// slower, or the peer.
	Stalled time.Duration
}

// Stats returns the connection's figures so far; before opening they are zero, and after the end they stay. It waits
// for no peer and no caller: only for a Pull that runs, until that returns or waits itself. It does not read both ways at
// one moment.
func (c *Conn) Stats() Stats {
	w := c.engine.Load()
	if w == nil {
		return Stats{}
	}
	received, sent := w.Stats()
	return Stats{Received: Flow(received), Sent: Flow(sent)}
}
