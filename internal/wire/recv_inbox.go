package wire

import (
	"fmt"

	"github.com/gobwas/ws"
)

// An inbox holds input as it came, in chunks, with two cursors on it. The scan cursor goes first,
// over headers (recv_scan.go). The pull cursor follows, and takes the payload (recv_message.go).
// There is no object for a message. So a million empty frames take two million bytes.
//
// The holder of readGate owns it.
type inbox struct {
	head, tail *chunk
	pullAt     int // the pull cursor: an index into head.buf
	held       int // bytes behind the pull cursor

	scanChunk *chunk // the scan cursor: scanAt is an index into its buf
	scanAt    int
	unscanned int   // bytes behind the scan cursor: less than a header or a control frame
	toSkip    int64 // payload bytes that the scan cursor has yet to pass; not all may have come
	state     ws.State
	sealed    bool // scanning is over: all that comes is dropped
	empties   emptyRun
	progress  uint64 // grows with each read that brings a message further

	spill *[maxControlFrame]byte // joins a header or control frame that lies in two chunks; or nil

	// The message at the pull cursor.
	op         ws.OpCode // 0 between two messages
	fin        bool      // the frame at the cursor is the last
	compressed bool      // there is more to inflate
	mask       masking
	left       int64 // payload bytes of the frame at the cursor that are not taken
	text       textCheck
	unmasked   int // bytes behind the pull cursor that are unmasked where they lie
}

// space returns the memory for at most limit bytes of input. expect is how many bytes are likely.
func (in *inbox) space(expect, limit int) []byte {
	expect = min(expect, largeChunk)
	if in.tail != nil && cap(in.tail.buf) < expect {
		in.trim() // replaces a small chunk by a large one
	}
	if in.tail == nil || in.tail.free() < smallChunk/8 {
		c := borrow(expect)
		if in.tail == nil {
			in.head, in.scanChunk = c, c
			in.pullAt, in.scanAt = 0, 0
		} else {
			in.tail.next = c
		}
		in.tail = c
	}
	b := in.tail.buf
	return b[len(b):min(cap(b), len(b)+min(limit, cap(b)))]
}

// arrived notes that n bytes have come into that memory.
func (in *inbox) arrived(n int) {
	in.tail.buf = in.tail.buf[:len(in.tail.buf)+n]
	in.held += n
	in.unscanned += n
}

// scanned returns how many bytes lie between the two cursors.
func (in *inbox) scanned() int { return in.held - in.unscanned }

// peek returns the n bytes from index i of c on. They must have come.
func (in *inbox) peek(c *chunk, i, n int) []byte {
	if i+n <= len(c.buf) {
		return c.buf[i : i+n]
	}
	return in.join(c, i, n)
}

// join copies bytes that lie in several chunks into one piece.
func (in *inbox) join(c *chunk, i, n int) []byte {
	if in.spill == nil {
		in.spill = new([maxControlFrame]byte)
	}
	b := in.spill[:0]
	for len(b) < n {
		if i == len(c.buf) {
			c, i = c.next, 0
		}
		m := min(n-len(b), len(c.buf)-i)
		b, i = append(b, c.buf[i:i+m]...), i+m
	}
	return b
}

// consume moves the pull cursor over n bytes that the scan cursor has passed, and releases the
// chunks behind it.
func (in *inbox) consume(n int) {
	in.held -= n
	for n > 0 && in.pullAt+n >= len(in.head.buf) {
		n -= len(in.head.buf) - in.pullAt
		in.pullAt = len(in.head.buf)
		in.dropHead()
	}
	in.pullAt += n
}

// dropHead releases the first chunk, which is empty. The last one stays, for trim.
func (in *inbox) dropHead() {
	c := in.head
	if c.next == nil {
		if in.held == 0 {
			c.buf = c.buf[:0]
			in.pullAt, in.scanAt = 0, 0
		}
		return
	}
	if in.scanChunk == c {
		in.scanChunk, in.scanAt = c.next, 0
	}
	in.head, in.pullAt = c.next, 0
	c.release()
}

// trim releases the last chunk if nothing is held.
func (in *inbox) trim() {
	if in.held == 0 {
		in.release()
	}
}

// release releases all chunks.
func (in *inbox) release() {
	for c := in.head; c != nil; c = in.head {
		in.head = c.next
		c.release()
	}
	in.tail, in.scanChunk = nil, nil
	in.pullAt, in.scanAt = 0, 0
}

// clear drops all that the scan cursor has passed. If that is only a part of a message, the rest of
// the message is dropped as it comes.
func (in *inbox) clear() {
	in.consume(in.scanned())
	in.op, in.left, in.fin, in.compressed, in.unmasked = 0, 0, false, false, 0
}

// seal ends the scanning. The pull cursor never reaches what the scan cursor has not passed.
func (in *inbox) seal() {
	in.sealed = true
	in.held -= in.unscanned
	in.unscanned = 0
}

var (
	errFlood = fmt.Errorf("received more than %d frames in a row, within a second, "+
		"that bring nothing: pings, pongs, empty fragments", maxEmpty)
	errBlocks = fmt.Errorf("received more than %d compressed blocks in a row, within a second, "+
		"that bring nothing", maxEmpty)
)

// An emptyRun counts consecutive frames, or compressed blocks, without data.
type emptyRun struct {
	n     int32
	began uint32 // milliseconds since epoch, when the first came
}

// flooded counts n more, and reports whether they are too many.
func (r *emptyRun) flooded(n int) bool {
	if r.n == 0 {
		r.began = milliseconds()
	}
	if r.n += int32(min(n, maxEmpty+1)); r.n <= maxEmpty {
		return false
	}
	r.n = 0
	return milliseconds()-r.began < uint32(emptyTime.Milliseconds())
}
