package wsstream

import "github.com/wsstream/wsstream/stream"

// Bytes is a strategy that holds n bytes of messages' Data, for a stream.Queue of them, a Tee or a Broadcast. A message
// without Data counts as one byte, so that a stream of them is bounded too. What was prepared counts as any other,
// though those who share it share its memory.
func Bytes(n int) stream.Strategy[Message] {
	return stream.Size(n, func(m Message) int { return max(len(m.Data), 1) })
}
