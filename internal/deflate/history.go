package deflate

import (
	"math/bits"
	"sync"
)

// leastHistory is how many of the bytes before it a short message may refer to. A longer message
// may refer to as many bytes as it has itself: to index them costs less than to compress the
// message.
const leastHistory = 1 << 10

// A history has the last bytes that were sent, in one piece. It has as many as the longest part of
// a message, rounded up to a power of two. That is at least leastHistory, and at most the window.
type history struct{ buf []byte }

// add remembers p, which is not empty. The window's size is a power of two.
func (h *history) add(p []byte, window int) {
	size := min(window, max(leastHistory, 1<<bits.Len(uint(len(p)-1))))
	if size > cap(h.buf) {
		h.buf = append(make([]byte, 0, size), h.buf...)
	}
	size = cap(h.buf)
	p = p[max(0, len(p)-size):]
	if gone := len(h.buf) + len(p) - size; gone > 0 {
		h.buf = h.buf[:copy(h.buf, h.buf[gone:])]
	}
	h.buf = append(h.buf, p...)
}

// last returns the last n bytes, or all that there are.
func (h *history) last(n int) []byte { return h.buf[max(0, len(h.buf)-n):] }

// histories are for Deflaters without takeover, while a message is under way.
var histories = sync.Pool{New: func() any { return new(history) }}
