package deflate

import (
	"math/bits"
	"sync"
)

// A Flush says what follows the part of a message that is given to Deflate.
type Flush uint8

// Of a message's last part End, of those before it one of the others.
const (
	More Flush = iota // more will follow at once: the last bits of the part may be held back
	Sync              // the peer shall be able to inflate all there is; costs 5 bytes
	End               // nothing: the message is whole
)

// A Deflater compresses the messages that are sent on one connection, one after another, part by part.
//
// With context takeover it owns its window and the index of it, from the first message on: Held says how many bytes.
// Without, it borrows them from a pool while a message is under way, and holds nothing between messages. The tables of
// a block, some 80 KiB, are borrowed for each call. Its methods may not be called at once.
type Deflater struct {
	windowBits int
	keep       bool
	search     search
	history    *history
	open       bool // a message is under way
	out        bitWriter
}

// NewDeflater returns a Deflater whose copies reach back 1<<bits bytes at most, 8 ≤ bits ≤ 15. level, 1 to 9, says how
// hard it searches for them. keep says that they may reach into earlier messages.
func NewDeflater(level, bits int, keep bool) *Deflater {
	return &Deflater{windowBits: bits, keep: keep, search: searches[level]}
}

// Held is how many bytes of memory the Deflater holds, beside itself.
func (d *Deflater) Held() int {
	if d.history == nil {
		return 0
	}
	return d.history.size()
}

// Open reports whether a message is under way.
func (d *Deflater) Open() bool { return d.open }

// Deflate appends to dst what the next part of a message, src, compresses to. The payload of a message is all that was
// appended for it; it is never empty. Neither slice is kept.
// RFC 7692, section 7.2.1.
func (d *Deflater) Deflate(dst, src []byte, flush Flush) []byte {
	if !d.open {
		d.begin(len(src), flush)
	}
	h := d.history
	e := encoders.Get().(*encoder)
	for part := src; len(part) > 0 || h.left() > 0; {
		if h.left() == 0 {
			part = part[h.add(part):]
		}
		h.tokens(e, d.search)
		if e.full() || len(part) == 0 && h.left() == 0 {
			n := e.size
			dst = e.block(dst, &d.out, src[:n])
			src = src[n:]
		}
	}
	encoders.Put(e)

	switch flush {
	case Sync:
		dst = append(d.out.align(dst), 0, 0, 0xff, 0xff)
	case End:
		dst = d.out.align(dst) // the empty block without the four bytes of its length
		d.end()
	}
	return dst
}

// Close gives back what was borrowed, and forgets what was remembered. The Deflater may not be used for the rest of an
// open message.
func (d *Deflater) Close() {
	d.keep = false
	d.end()
}

func (d *Deflater) begin(n int, flush Flush) {
	d.open = true
	if d.history != nil {
		return
	}
	if d.keep {
		d.history = newHistory(d.windowBits)
		return
	}
	h, ok := histories[d.windowBits].Get().(*history)
	if !ok {
		h = newHistory(d.windowBits)
	}
	if flush != End {
		n = 1 << d.windowBits
	}
	h.reset(bits.Len(uint(n)))
	d.history = h
}

func (d *Deflater) end() {
	d.open = false
	d.out = bitWriter{}
	if !d.keep && d.history != nil {
		histories[d.windowBits].Put(d.history)
		d.history = nil
	}
}

// histories are those of Deflaters without takeover, by the bits of the window.
var histories [16]sync.Pool
