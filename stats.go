package wsstream

import "time"

// Stats are the figures of a connection so far.
type Stats struct {
	Received Flow // from the peer
	Sent     Flow // to the peer
}

// A Flow has the figures of one direction.
type Flow struct {
	Messages int64 // whole messages: delivered to the caller, or accepted from it
	Bytes    int64 // their payload

	// Held counts the bytes that are buffered now: on the wire, and not pulled or not taken by the
	// transport. HeldMax is the maximum so far. HeldMax includes the bytes that a Pull buffered to
	// assemble a message.
	Held, HeldMax int64

	// Stalled is the time without credit, or with less than a call waited for. The slower side was
	// the consumer of Received, or the peer for Sent.
	Stalled time.Duration
}

// Stats returns the figures of the connection so far. Before opening they are zero, and after the
// end they stay. Stats waits for no peer. It waits for a Pull that runs, until that Pull returns or
// waits itself. The two directions are not read at the same moment.
func (c *Conn) Stats() Stats {
	w := c.engine.Load()
	if w == nil {
		return Stats{}
	}
	received, sent := w.Stats()
	return Stats{Received: Flow(received), Sent: Flow(sent)}
}
