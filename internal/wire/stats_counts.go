package wire

// A count counts whole messages and their payload bytes.
type count struct{ messages, bytes int64 }

func (n *count) add(bytes int64) {
	n.messages++
	n.bytes += bytes
}

// A tally is the count of what was received.
type tally struct {
	count
	most int64 // the most bytes held, those of a message that a Pull assembles included
}
