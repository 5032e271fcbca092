package stream

import (
	"errors"
	"fmt"
)

// ErrSlow is what a subscriber that fell behind fails with under Disconnect, unless the Broadcast names another.
var ErrSlow = errors.New("stream: subscriber too slow")

// A Strategy says how much a stream may hold: chunks are accepted while the sizes of those held add up to less than
// Mark, the high-water mark. So a stream holds less than Mark and one chunk more, however large that is. With a Mark
// of zero or less it holds nothing: a Write waits for a Pull.
//
// Size is the size of a chunk, in the unit of Mark; nil counts 1 for each. It is called once for each chunk, by the
// goroutine that writes it. A Broadcast calls it with its lock held, so it must not call that. A negative size fails
// the stream. A size of zero is allowed, and a stream of such chunks has no bound.
// Streams Standard, 7.
type Strategy[T any] struct {
	Mark int
	Size func(T) int
}

// Count is a strategy that holds n chunks.
func Count[T any](n int) Strategy[T] { return Strategy[T]{Mark: n} }

// Bytes is a strategy that holds n bytes. An empty chunk counts as one byte, so that a stream of them is bounded too.
func Bytes[T ~[]byte | ~string](n int) Strategy[T] {
	return Strategy[T]{Mark: n, Size: func(v T) int { return max(len(v), 1) }}
}

// Size is a strategy that holds n of what size counts. It panics if size is nil.
func Size[T any](n int, size func(T) int) Strategy[T] {
	mustFunc(size == nil, "Size")
	return Strategy[T]{Mark: n, Size: size}
}

// of returns the size of v, or the error that a negative one is.
func (s Strategy[T]) of(v T) (uint64, error) {
	if s.Size == nil {
		return 1, nil
	}
	n := s.Size(v)
	if n < 0 {
		return 0, fmt.Errorf("stream: size function returned %d", n)
	}
	return uint64(n), nil
}

// mustFunc panics for a function that a caller left out: a programming error.
func mustFunc(missing bool, of string) {
	if missing {
		panic("stream: nil function given to " + of)
	}
}
