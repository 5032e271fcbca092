package deflate

// A Flush says what follows the part of a message that is given to Deflate.
type Flush uint8

// Of a message's last part End, of those before it one of the others. Each part of a message but its last costs 5 bytes:
// nothing is held back, since what would hold it takes most of a megabyte.
const (
	More Flush = iota // more will follow at once
	Sync              // the peer shall be able to inflate all there is
	End               // nothing: the message is whole
)

// DefaultLevel is the level that is taken unless told otherwise: 1 with context takeover, where each message pays for
// the index of what was before, and 4 without.
const DefaultLevel = 0

// A Deflater compresses the messages that are sent on one connection, one after another, part by part.
//
// With context takeover it holds the last bytes that were sent, from the first message on: Held says how many. Without,
// it borrows room for them while a message of several parts is under way, and holds nothing between messages. All else
// is borrowed for each call. Its methods may not be called at once.
type Deflater struct {
	sender  Sender
	level   int
	history *history
	open    bool // a message is under way
}

// NewDeflater returns a Deflater for what was agreed about our side. level, 1 to 9 or DefaultLevel, says how hard it
// searches. A part of a message that is longer, with what it may refer to, than a window of less than MaxBits is
// searched as level 5 does, whatever the level is.
func NewDeflater(level int, ours Sender) *Deflater {
	if level == DefaultLevel {
		level = 1
		if ours.NoTakeover {
			level = 4
		}
	}
	return &Deflater{sender: ours, level: level}
}

// Held is how many bytes of memory the Deflater holds, beside itself.
func (d *Deflater) Held() int {
	if d.history == nil {
		return 0
	}
	return cap(d.history.buf)
}

// Open reports whether a message is under way.
func (d *Deflater) Open() bool { return d.open }

// Deflate appends to dst what the next part of a message, src, compresses to. The payload of a message is all that was
// appended for it; it is never empty. Neither slice is kept.
// RFC 7692, section 7.2.1.
func (d *Deflater) Deflate(dst, src []byte, flush Flush) []byte {
	d.open = true
	if len(src) > 0 {
		dst = d.compress(dst, src)
	}
	switch {
	case flush != End:
		d.add(src)
		return dst
	case len(src) == 0:
		dst = append(dst, 0) // the empty block below, where there is nothing before it
	default:
		dst = dst[:len(dst)-4] // the length of an empty block
	}
	if !d.sender.NoTakeover {
		d.add(src)
	}
	d.end()
	return dst
}

// compress appends blocks that make up src, and an empty one.
func (d *Deflater) compress(dst, src []byte) []byte {
	var dict []byte
	if d.history != nil {
		dict = d.history.last(max(leastHistory, len(src)))
	}
	kind := d.kind(len(dict) + len(src))
	c, ok := compressors[kind].Get().(*compressor)
	if !ok {
		c = newCompressor(kind)
	}
	dst = c.compress(dst, src, dict)
	compressors[kind].Put(c)
	return dst
}

// kind is the kind of compressor for a part that, with what it may refer to, is n bytes. Those of a level look back as
// far as DEFLATE allows.
func (d *Deflater) kind(n int) int {
	if d.sender.Bits < MaxBits && n > 1<<d.sender.Bits {
		return windowed + d.sender.Bits
	}
	return d.level
}

// Remember makes data a part of the context, as if it had been sent as a message: for one that was compressed elsewhere,
// without reference to others and with a window no larger than ours. It may not be called inside a message.
func (d *Deflater) Remember(data []byte) {
	if !d.sender.NoTakeover {
		d.add(data)
	}
}

// Close gives back what was borrowed, and forgets what was remembered: an open message cannot be gone on with.
func (d *Deflater) Close() {
	d.end()
	d.history = nil
}

func (d *Deflater) add(p []byte) {
	if len(p) == 0 {
		return
	}
	if d.history == nil {
		if d.sender.NoTakeover {
			d.history = histories.Get().(*history)
		} else {
			d.history = new(history)
		}
	}
	d.history.add(p, 1<<d.sender.Bits)
}

func (d *Deflater) end() {
	d.open = false
	if d.sender.NoTakeover && d.history != nil {
		d.history.buf = d.history.buf[:0]
		histories.Put(d.history)
		d.history = nil
	}
}
