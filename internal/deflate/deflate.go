package deflate

// DefaultLevel means level 1 with context takeover and level 4 without. With takeover the bytes
// before a message must be indexed, for each message again.
const DefaultLevel = 0

// A Deflater compresses the messages that are sent on one connection, one after another, part by
// part.
//
// With context takeover it keeps the last bytes that were sent, from the first message on. Without,
// it borrows room for them while a message of several parts is under way, and keeps nothing between
// messages. All else is borrowed for each call. Its methods must not be called concurrently.
type Deflater struct {
	sender  Sender
	level   int
	history *history
}

// NewDeflater returns a Deflater for what was agreed about our side. level is 1 to 9, or
// DefaultLevel. It says how hard the compressor searches. With a window of less than MaxBits, a
// part may be longer than the window, together with the bytes that it may refer to. Such a part is
// compressed as at level 5, whatever the level is.
func NewDeflater(level int, ours Sender) *Deflater {
	if level == DefaultLevel {
		level = 1
		if ours.NoTakeover {
			level = 4
		}
	}
	return &Deflater{sender: ours, level: level}
}

// Deflate compresses src, the next part of a message, and appends the result to dst. The payload of
// a message is all that was appended for it. It is never empty. Neither slice is kept. last says
// that the message is whole.
//
// Each part but the last costs 5 bytes, and the peer can inflate all of it. No output is held back,
// because the compressor that would hold it takes most of a megabyte.
//
// RFC 7692, section 7.2.1.
func (d *Deflater) Deflate(dst, src []byte, last bool) []byte {
	if len(src) > 0 {
		dst = d.compress(dst, src)
	}
	switch {
	case !last:
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

// kind returns the kind of compressor for a part of n bytes, those that it may refer to included.
// The kinds of a level look back as far as DEFLATE allows.
func (d *Deflater) kind(n int) int {
	if d.sender.Bits < MaxBits && n > 1<<d.sender.Bits {
		return windowed + d.sender.Bits
	}
	return d.level
}

// Remember makes data a part of the context, as if it had been sent as a message. It is for a
// message that was compressed elsewhere, without reference to others and with a window no larger
// than ours. It must not be called inside a message.
func (d *Deflater) Remember(data []byte) {
	if !d.sender.NoTakeover {
		d.add(data)
	}
}

// Close gives back what was borrowed, and forgets the context. An open message cannot be continued.
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
	if d.sender.NoTakeover && d.history != nil {
		d.history.buf = d.history.buf[:0]
		histories.Put(d.history)
		d.history = nil
	}
}
