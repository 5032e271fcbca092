package wire

import (
	"slices"
	"sync"
)

// Chunks hold wire bytes on their way in and out. There are two sizes, so that a lone message borrows little
// and a busy stream moves much at once; a large one takes a frame of the largest piece with its header.
const (
	smallChunk = 4 << 10
	largeChunk = maxPiece + maxHeader

	maxPiece  = 64 << 10 // payload bytes encoded at once
	maxHeader = 14       // RFC 6455, section 5.2
)

// A chunk is borrowed from a pool while there are bytes in it.
type chunk struct {
	buf  []byte // the bytes there are; its capacity is the room
	next *chunk

	// Of chunks on their way out.
	taken  int   // bytes of buf that the transport has taken
	paid   bool  // the write window has paid for buf
	shared bool  // buf is not the pool's
	lent   bool  // buf is the caller's, of a Write that is in sendLent
	mid    bool  // buf ends inside a frame
	closes bool  // buf ends with our Close frame
	ping   *ping // the one that buf holds; else nil
}

var (
	smallChunks, largeChunks sync.Pool
	sharedChunks             = sync.Pool{New: func() any { return new(chunk) }} // whose buf is not the pool's
)

// borrow returns an empty chunk with room for at least n bytes, n ≤ largeChunk.
func borrow(n int) *chunk {
	pool, size := &smallChunks, smallChunk
	if n > smallChunk {
		pool, size = &largeChunks, largeChunk
	}
	if c, ok := pool.Get().(*chunk); ok {
		return c
	}
	return &chunk{buf: make([]byte, 0, size)}
}

// share returns a chunk that holds buf, which is not ours.
func share(buf []byte) *chunk {
	c := sharedChunks.Get().(*chunk)
	c.buf, c.shared = slices.Clip(buf), true
	return c
}

// release gives c back. Its bytes may be overwritten from then on.
func (c *chunk) release() {
	if c.shared {
		*c = chunk{}
		sharedChunks.Put(c)
		return
	}
	*c = chunk{buf: c.buf[:0]}
	if cap(c.buf) > smallChunk {
		largeChunks.Put(c)
	} else {
		smallChunks.Put(c)
	}
}

func (c *chunk) free() int { return cap(c.buf) - len(c.buf) }

// Write appends p, for which there must be room.
func (c *chunk) Write(p []byte) (int, error) {
	c.buf = append(c.buf, p...)
	return len(p), nil
}
