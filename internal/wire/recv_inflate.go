package wire

import (
	"math"
	"sync"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// inflating is the half of a compression that the holder of readGate owns.
type inflating struct {
	inflater *deflate.Inflater // nil until a message was inflated
	skipped  int               // bytes that the rest of a skipped message has inflated to
	empties  emptyRun          // blocks that inflate to nothing
	pending  bool              // more has been inflated than there was room for
	scratch  *[]byte           // what a Pull assembles in, if its caller gave no memory; or nil
}

// inflates reports whether there is an inflater: a message was inflated.
func (z *compression) inflates() bool { return z != nil && z.inflater != nil }

// ownInflater returns the inflater, which the first compressed message makes.
func (z *compression) ownInflater() *deflate.Inflater {
	if z.inflater == nil {
		z.inflater = deflate.NewInflater(z.Peer)
	}
	return z.inflater
}

// scratches has the memory of Pulls that assemble a compressed message, whose size is not known in
// advance. The message is copied once it is whole. If it grew in memory of its own, it would leave
// behind several times its size, also if it is refused.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// borrowScratch returns memory to assemble a message of at most limit bytes in. A limit that is not
// positive is none. Memory that has grown for a larger limit of another Conn stays in the pool.
// Otherwise the start of a message could keep it.
func (z *compression) borrowScratch(limit int) []byte {
	if z.scratch == nil {
		z.scratch = scratches.Get().(*[]byte)
		if oversized(cap(*z.scratch), limit) {
			scratches.Put(z.scratch)
			z.scratch = new([]byte)
		}
	}
	return (*z.scratch)[:0]
}

// oversized reports whether size bytes of memory are too many for messages of at most limit bytes.
// A limit that is not positive is none.
func oversized(size, limit int) bool { return limit > 0 && size/2 > max(limit, smallChunk) }

// borrows reports whether a Pull assembles its message in borrowed memory.
func (z *compression) borrows() bool { return z != nil && z.scratch != nil }

// returnScratch ends a Pull's use of borrowed memory, which has grown to what dst has. It reports
// whether there was any.
func (z *compression) returnScratch(dst []byte) bool {
	if !z.borrows() {
		return false
	}
	if cap(dst) <= maxKeptMessage {
		*z.scratch = dst[:0]
	}
	scratches.Put(z.scratch)
	z.scratch = nil
	return true
}

// unmaskInPlace returns the bytes in the first chunk that belong to the frame at the pull cursor,
// unmasked in place. The next call returns the bytes that the caller does not use again. last
// reports whether the message ends with these bytes.
func (in *inbox) unmaskInPlace() (b []byte, last bool) {
	n := int(min(in.left, int64(in.scanned())))
	if n > 0 {
		n = min(n, len(in.head.buf)-in.pullAt)
		b = in.head.buf[in.pullAt : in.pullAt+n]
		in.mask.apply(b[in.unmasked:])
		in.unmasked = n
	}
	return b, in.fin && int64(n) == in.left
}

// feed calls inflate with the bytes that have come of the frame at the pull cursor, and consumes
// the bytes that inflate used. An error of inflate ends feed.
func (in *inbox) feed(inflate func(src []byte, last bool) (used int, err error)) error {
	for {
		src, last := in.unmaskInPlace()
		if len(src) == 0 && !last {
			return nil
		}
		used, err := inflate(src, last)
		in.left -= int64(used)
		in.unmasked -= used
		in.consume(used)
		if err != nil {
			return err
		}
		if last {
			in.compressed = false
			return nil
		}
	}
}

// inflate appends what the frame at the pull cursor inflates to, as far as it has come, and checks
// text. It appends room bytes at most, and returns deflate.ErrRoom if there is more.
func (c *Conn) inflate(dst []byte, room int) ([]byte, error) {
	in, z, from := &c.recv.in, c.compression, len(dst)
	inflater := z.ownInflater()
	inflate := func(src []byte, last bool) (used int, err error) {
		dst, used, err = inflater.Inflate(dst, src, room-(len(dst)-from), last)
		z.pending = err == deflate.ErrRoom
		return used, err
	}
	err := in.feed(inflate)
	if err == nil && z.pending { // nothing more has come
		_, err = inflate(nil, false)
	}
	if z.floods(len(dst) - from) {
		err = errBlocks
	}
	if in.op == ws.OpText && !in.text.push(dst[from:]) || in.tornText() {
		err = errText
	}
	return dst, err
}

// hasPending reports whether a part of the message at the pull cursor can be read although all that
// has come of it was taken.
func (c *Conn) hasPending() bool { return c.recv.in.compressed && c.compression.pending }

// floods compares the number of blocks that ended since its last call with the bytes that they
// inflated to. It reports whether too many blocks have inflated to nothing. Each byte allows two
// blocks: its own, and the empty block behind it with which a sender flushes.
func (z *compression) floods(bytes int) bool {
	n := z.inflater.Blocks() - 2*bytes
	if n > 0 {
		return z.empties.flooded(n)
	}
	z.empties.n = int32(max(int(z.empties.n)+n, 0))
	return false
}

// allows returns how many more bytes a compressed message may inflate to after its first n bytes.
func (c *Conn) allows(n int) int {
	if c.maxMessage <= 0 {
		return math.MaxInt
	}
	return c.maxMessage - n
}

// mustInflate reports whether dropUnwanted would have to inflate something.
func (c *Conn) mustInflate() bool {
	in := &c.recv.in
	return in.compressed && c.isSkipping() && in.hasScanned() && !c.flags.has(isDropping)
}

// freeInflater frees the inflater once nothing is left to inflate.
func (c *Conn) freeInflater() {
	in, z := &c.recv.in, c.compression
	if !z.inflates() {
		return
	}
	ended := c.end.done.Closed() && !in.hasScanned() && !in.compressed
	if ended || c.flags.has(isDropping) {
		z.inflater.Close()
		z.inflater = nil
	}
}

// copied copies a message from the scratch to the memory of the caller, and returns the scratch. It
// is not inlined: its frame would be a part of a waiting pull's.
//
//go:noinline
func (z *compression) copied(callers, scratch []byte) (whole []byte) {
	whole = append(callers, scratch...)
	z.returnScratch(scratch)
	return whole
}
