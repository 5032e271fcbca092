package wire

import (
	"slices"
	"sync"
)

// A chunk is a piece of wire bytes on its way in or out. It is borrowed from a pool as long as
// there are bytes in it. There are two sizes. A small chunk is for a lone message. A large chunk is
// for a busy stream: it has room for the largest piece with its header.
type chunk struct {
	buf  []byte // its capacity is the memory for more bytes
	next *chunk

	// Of chunks on their way out.
	taken  int  // bytes of buf that the transport has taken
	paid   bool // buf is charged to the write window
	shared bool // buf is not the pool's
	lent   bool // buf is the caller's, of a Write that lends it
	mid    bool // buf ends inside a frame
	closes bool // buf ends with our Close frame
}

var (
	smallChunks, largeChunks sync.Pool

	sharedChunks = sync.Pool{New: func() any { return new(chunk) }} // whose buf is not the pool's
)

// borrow returns an empty chunk with memory for n bytes at least. n is largeChunk at most.
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

// share returns a chunk that holds buf, which is not the pool's.
func share(buf []byte) *chunk {
	c := sharedChunks.Get().(*chunk)
	c.buf, c.shared = slices.Clip(buf), true
	return c
}

// release gives c back to its pool. Its bytes may be overwritten from now on.
func (c *chunk) release() {
	if c.shared {
		*c = chunk{}
		sharedChunks.Put(c)
		return
	}
	c.buf, c.next, c.taken = c.buf[:0], nil, 0
	c.paid, c.mid, c.closes = false, false, false // and lent, of shared chunks only
	if cap(c.buf) > smallChunk {
		largeChunks.Put(c)
	} else {
		smallChunks.Put(c)
	}
}

// free returns how many more bytes c can hold.
func (c *chunk) free() int { return cap(c.buf) - len(c.buf) }

// Write appends p, for which there must be memory.
func (c *chunk) Write(p []byte) (int, error) {
	c.buf = append(c.buf, p...)
	return len(p), nil
}
