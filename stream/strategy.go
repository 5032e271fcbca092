package stream

import (
	"fmt"
)

// A Limit says how much a stream may hold: a [Count] of chunks, or a [Strategy], which measures
// them.
type Limit[T any] interface {
	Count | Strategy[T]
}

// A Count limits a stream to that number of chunks. With a Count of zero or less the stream holds
// nothing: a Write waits for a Pull.
//
// Streams Standard, 7.4 (CountQueuingStrategy).
type Count int

// A Strategy limits a stream to chunks of some total size. A stream accepts chunks while the sizes
// of those that it holds add up to less than Mark, the high-water mark. So it holds less than Mark
// and one more chunk, however large that is. With a Mark of zero or less it holds nothing: a Write
// waits for a Pull.
//
// Streams Standard, 7.
type Strategy[T any] struct {
	// Mark is the high-water mark, in the unit of Size.
	Mark int

	// Size returns the size of a chunk. If nil, each chunk counts 1.
	//
	// It is called once for each chunk, by the goroutine that writes it. A [Broadcast] calls it
	// with its lock held, so it must not call that Broadcast. A negative size fails the stream. A
	// size of zero is allowed: nothing limits a stream of such chunks.
	Size func(T) int
}

// Bytes returns a Strategy that holds n bytes. An empty chunk counts as one byte, so that a stream
// of empty chunks has a limit, too.
//
// Streams Standard, 7.3 (ByteLengthQueuingStrategy).
func Bytes[T ~[]byte | ~string](n int) Strategy[T] {
	return Strategy[T]{Mark: n, Size: func(v T) int { return max(len(v), 1) }}
}

// Size returns a Strategy that holds n of the unit in which size measures. It panics if size is
// nil.
func Size[T any](n int, size func(T) int) Strategy[T] {
	mustFunc(size == nil, "Size")
	return Strategy[T]{Mark: n, Size: size}
}

// strategyOf returns limit as a Strategy.
func strategyOf[T any, L Limit[T]](limit L) Strategy[T] {
	if n, ok := any(limit).(Count); ok {
		return Strategy[T]{Mark: int(n)}
	}
	return any(limit).(Strategy[T])
}

// of returns the size of v. It returns an error for a negative size.
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
