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

// DefaultLevel is the level that the tables in the package's documentation speak for.
const DefaultLevel = 3

// A Deflater compresses the messages that are sent on one connection, one after another, part by part.
//
// With context takeover it owns its window and the index of it, from the first message on: Held says how many bytes.
// Without, it borrows them from a pool while a message is under way, and holds nothing between messages. What a block
// takes, some 70 KiB, is borrowed for each call. Its methods may not be called at once.
type Deflater struct {
	sender  Sender
	search  search
	history *history
	open    bool // a message is under way
	bits    bitWriter
}

// NewDeflater returns a Deflater for what was agreed about our side. level, 1 to 9, says how hard it searches.
func NewDeflater(level int, ours Sender) *Deflater {
	return &Deflater{sender: ours, search: searches[level]}
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
			dst = e.block(dst, &d.bits, src[:n])
			src = src[n:]
		}
	}
	encoders.Put(e)

	switch flush {
	case Sync:
		dst = append(d.bits.align(dst), 0, 0, 0xff, 0xff)
	case End:
		dst = d.bits.align(dst) // the empty block without the four bytes of its length
		d.end()
	}
	return dst
}

// Remember makes data a part of the context, as if it had been sent as a message: for one that was compressed elsewhere,
// without reference to others and with a window no larger than ours. It may not be called inside a message.
func (d *Deflater) Remember(data []byte) {
	if d.sender.NoTakeover {
		return
	}
	if d.history == nil {
		d.history = newHistory(d.sender.Bits)
	}
	for len(data) > 0 {
		data = data[d.history.add(data):]
		d.history.skip()
	}
}

// Close gives back what was borrowed, and forgets what was remembered: an open message cannot be gone on with.
func (d *Deflater) Close() {
	d.end()
	d.history = nil
}

func (d *Deflater) begin(n int, flush Flush) {
	d.open = true
	if d.history != nil {
		return
	}
	if !d.sender.NoTakeover {
		d.history = newHistory(d.sender.Bits)
		return
	}
	h, ok := histories[d.sender.Bits].Get().(*history)
	if !ok {
		h = newHistory(d.sender.Bits)
	}
	if flush != End {
		n = 1 << d.sender.Bits
	}
	h.reset(bits.Len(uint(n)))
	d.history = h
}

func (d *Deflater) end() {
	d.open = false
	d.bits = bitWriter{}
	if d.sender.NoTakeover && d.history != nil {
		histories[d.sender.Bits].Put(d.history)
		d.history = nil
	}
}

// histories are those of Deflaters without takeover, by the bits of the window.
var histories [MaxBits + 1]sync.Pool
