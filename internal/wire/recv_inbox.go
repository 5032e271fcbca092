package wire

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// An inbox holds input as it came, in chunks, with two cursors on it. The scan cursor goes ahead and walks over
// headers: it checks them and hands out control frames. The pull cursor follows and takes the payload. There is
// no object for a message: a million empty frames are two million bytes, and nothing else.
//
// Whoever holds the read gate owns it.
type inbox struct {
	head, tail *chunk
	pullAt     int // the pull cursor: an index into head.buf
	held       int // bytes behind the pull cursor

	at        *chunk // the scan cursor: an index into at.buf
	scanAt    int
	unscanned int   // bytes behind the scan cursor: less than one header or control frame
	skip      int64 // payload bytes that the scan cursor has yet to pass; they may not have come
	state     ws.State
	sealed    bool     // scanning is over: what comes is dropped
	empties   emptyRun // frames that brought no message further
	progress  uint64   // grows with every read that brought a message further

	spill *[maxControlLen]byte // a header or control frame that lies in two chunks, made one; nil until there was one

	// The message at the pull cursor.
	op         ws.OpCode // 0 between two messages
	fin        bool      // the frame at the cursor is the last
	compressed bool      // it is compressed, and there is more to inflate
	masked     bool
	mask       [4]byte
	phase      int   // where the mask goes on
	left       int64 // payload bytes of the frame at the cursor that are not taken
	text       textCheck
	decoded    int    // bytes behind the pull cursor that are unmasked where they lie
	target     []byte // where a read puts payload straight; nil for none
}

// A control is a control frame that the scan cursor has passed. The payload is valid until the next scan.
type control struct {
	op      ws.OpCode
	payload []byte
}

// room returns room for at most limit bytes of input. expect says how many are likely.
func (in *inbox) space(expect, limit int) []byte {
	expect = min(expect, largeChunk)
	if in.tail != nil && cap(in.tail.buf) < expect {
		in.trim() // a small chunk makes way for a large one
	}
	if in.tail == nil || in.tail.free() < smallChunk/8 {
		c := borrow(expect)
		if in.tail == nil {
			in.head, in.at = c, c
			in.pullAt, in.scanAt = 0, 0
		} else {
			in.tail.next = c
		}
		in.tail = c
	}
	b := in.tail.buf
	return b[len(b):min(cap(b), len(b)+min(limit, cap(b)))]
}

// filled says that n bytes have come into the room.
func (in *inbox) arrived(n int) {
	in.tail.buf = in.tail.buf[:len(in.tail.buf)+n]
	in.held += n
	in.unscanned += n
}

// peek returns the n bytes behind a cursor, which must be there.
func (in *inbox) peek(c *chunk, i, n int) []byte {
	if i+n <= len(c.buf) {
		return c.buf[i : i+n]
	}
	return in.join(c, i, n)
}

func (in *inbox) join(c *chunk, i, n int) []byte {
	if in.spill == nil {
		in.spill = new([maxControlLen]byte)
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

// scan walks the scan cursor on to the next control frame, and returns it. It returns an op of 0 when it has
// come to the end of what is there, and an error with the rule that the peer broke.
func (in *inbox) scan() (control, error) {
	var h ws.Header
	for {
		if in.skip > 0 {
			n := min(in.skip, int64(in.unscanned))
			in.skip -= n
			in.scanOver(int(n))
			in.progress++
		}
		if in.unscanned > 0 {
			in.scanPlain()
		}
		if in.unscanned == 0 {
			return control{}, nil
		}
		raw := in.peek(in.at, in.scanAt, min(in.unscanned, maxHeader))
		size := parseHeader(raw, &h)
		if size == 0 {
			return control{}, nil
		}
		if err := checkHeader(&h, raw, in.state); err != nil {
			return control{}, err
		}
		if !h.OpCode.IsControl() {
			in.state = in.state.Clear(ws.StateFragmented)
			if !h.Fin {
				in.state = in.state.Set(ws.StateFragmented)
			}
			in.scanOver(size)
			in.skip = h.Length
			if h.Fin || h.Length > 0 {
				in.progress++
				in.empties.n = 0
			} else if in.empties.flooded(1) {
				return control{}, errFlood
			}
			continue
		}
		whole := size + int(h.Length)
		if in.unscanned < whole {
			return control{}, nil
		}
		payload := in.peek(in.at, in.scanAt, whole)[size:]
		if h.Masked {
			ws.Cipher(payload, h.Mask, 0) // where it lies: nobody else reads it
		}
		in.scanOver(whole)
		if in.empties.flooded(1) {
			return control{}, errFlood
		}
		return control{h.OpCode, payload}, nil
	}
}

// maxRow is how many frames in a row may bring nothing, control frames and empty fragments, that come within a second.
// They are let go of without being paid for, so that a connection can be pinged for ever, and cost us the scanning and
// the answers: 0.1 µs each. All other frames are paid for with credit, and by MaxMessage. Compressed blocks that bring
// nothing have the same bound: one costs 2 µs, whatever it was paid with.
const maxEmpty = 16 << 10

var (
	errFlood = fmt.Errorf("received more than %d frames in a row, within a second, that bring nothing: "+
		"pings, pongs, empty fragments", maxEmpty)
	errBlocks = fmt.Errorf("received more than %d compressed blocks in a row, within a second, that bring nothing", maxEmpty)
)

// A row counts what brings nothing.
type emptyRun struct {
	n     int32  // since something was brought
	began uint32 // milliseconds since epoch, when the first came
}

// flooded counts n more that bring nothing, and reports whether they are too many.
func (r *emptyRun) flooded(n int) bool {
	if r.n == 0 {
		r.began = milliseconds()
	}
	if r.n += int32(min(n, maxEmpty+1)); r.n <= maxEmpty {
		return false
	}
	r.n = 0
	return milliseconds()-r.began < 1000
}

// milliseconds is the time since epoch; it begins anew every 49 days.
func milliseconds() uint32 { return uint32(time.Since(epoch).Milliseconds()) }

// codeFor returns what to close with for a rule that was found broken.
func codeFor(rule error) int {
	switch {
	case errors.Is(rule, errFlood), errors.Is(rule, errBlocks):
		return CodePolicy
	case errors.Is(rule, errText), errors.Is(rule, deflate.ErrCorrupt), errors.Is(rule, deflate.ErrTruncated):
		return CodeBadData
	}
	return CodeProtocol
}

// walk moves the scan cursor over n bytes that are there.
func (in *inbox) scanOver(n int) {
	in.unscanned -= n
	for n > 0 {
		if in.scanAt == len(in.at.buf) {
			in.at, in.scanAt = in.at.next, 0
		}
		m := min(n, len(in.at.buf)-in.scanAt)
		in.scanAt += m
		n -= m
	}
}

// drop moves the pull cursor over n bytes that the scan cursor has passed, and lets go of the chunks behind it.
func (in *inbox) consume(n int) {
	in.held -= n
	for n > 0 && in.pullAt+n >= len(in.head.buf) {
		n -= len(in.head.buf) - in.pullAt
		in.pullAt = len(in.head.buf)
		in.dropHead()
	}
	in.pullAt += n
}

// shift lets go of the first chunk, which is empty. The last one stays, for trim.
func (in *inbox) dropHead() {
	c := in.head
	if c.next == nil {
		if in.held == 0 {
			c.buf = c.buf[:0]
			in.pullAt, in.scanAt = 0, 0
		}
		return
	}
	if in.at == c {
		in.at, in.scanAt = c.next, 0
	}
	in.head, in.pullAt = c.next, 0
	c.release()
}

// trim lets go of the last chunk if nothing is held.
func (in *inbox) trim() {
	if in.held == 0 {
		in.release()
	}
}

// release lets go of all chunks.
func (in *inbox) release() {
	for c := in.head; c != nil; c = in.head {
		in.head = c.next
		c.release()
	}
	in.tail, in.at = nil, nil
	in.pullAt, in.scanAt = 0, 0
}

// ready reports whether there is something for the pull cursor to pass.
func (in *inbox) ready() bool { return in.held > in.unscanned }

// begin brings the pull cursor to the first unread payload of a message, or to the end of one, and reports
// whether it is there. The headers under it have been checked by the scan cursor.
func (in *inbox) toPayload() bool {
	for in.left == 0 && !in.fin {
		if !in.ready() {
			return false
		}
		var h ws.Header
		size := parseHeader(in.peek(in.head, in.pullAt, min(in.held-in.unscanned, maxHeader)), &h)
		if h.OpCode.IsControl() {
			in.consume(size + int(h.Length))
			continue
		}
		if h.OpCode != ws.OpContinuation {
			in.op, in.text, in.compressed = h.OpCode, textCheck{}, h.Rsv != 0
		}
		in.fin, in.left, in.masked, in.mask, in.phase = h.Fin, h.Length, h.Masked, h.Mask, 0
		in.consume(size)
	}
	return true
}

// passControls moves the pull cursor over control frames, which the scan cursor has seen to. Where nothing unread
// lies in front of them they need not be held: a stream that nobody pulls from can be pinged for ever.
func (in *inbox) passControls() {
	for in.left == 0 && in.ready() && in.head.buf[in.pullAt]&0x08 != 0 {
		var h ws.Header
		size := parseHeader(in.peek(in.head, in.pullAt, min(in.held-in.unscanned, maxHeader)), &h)
		in.consume(size + int(h.Length))
	}
}

// ended reports whether the pull cursor stands at the end of a message.
func (in *inbox) messageEnded() bool { return in.op != 0 && in.fin && in.left == 0 && !in.compressed }

// torn reports whether the message at the pull cursor is text that has ended inside a character.
func (in *inbox) tornText() bool { return in.op == ws.OpText && in.messageEnded() && !in.text.whole() }

// next leaves the message that has ended, and returns its opcode. Text that ends inside a character is an error.
func (in *inbox) endMessage() (op ws.OpCode, err error) {
	if in.tornText() {
		return 0, errText // its last fragment was empty: otherwise the last byte has failed it
	}
	op = in.op
	in.leaveMessage()
	return op, nil
}

// leave leaves the message that has ended, and looks at nothing.
func (in *inbox) leaveMessage() { in.op, in.fin = 0, false }

// take appends at most limit bytes of the frame at the pull cursor, as many as are there, unmasked and with text
// checked.
func (in *inbox) takePayload(dst []byte, limit int) ([]byte, error) {
	from := len(dst)
	n := int(min(in.left, int64(min(limit, in.held-in.unscanned))))
	dst = slices.Grow(dst, int(min(in.left, int64(limit), 4*int64(n)))) // by what has come, not by what was declared
	for n > 0 {
		m := min(n, len(in.head.buf)-in.pullAt)
		dst = append(dst, in.head.buf[in.pullAt:in.pullAt+m]...)
		in.left -= int64(m)
		n -= m
		in.consume(m)
	}
	return dst, in.decode(dst[from:])
}

// straight is how much of a frame must be missing for payload to be read straight to where it is wanted. That saves a
// copy, and costs the header of the next frame a read of its own.
const directRead = 32 << 10

// grow makes room in dst for a part of the frame at the pull cursor that may be read straight into it: by what has
// come, not by what was declared.
func (in *inbox) growFor(dst []byte) []byte {
	if in.compressed || in.left < directRead || cap(dst)-len(dst) >= smallChunk {
		return dst
	}
	return slices.Grow(dst, int(min(in.left, int64(max(len(dst), directRead)))))
}

// aim has the next read put payload straight into dst, if there is a frame that lacks so much, and nothing in front.
func (in *inbox) aim(dst []byte) {
	if in.left >= directRead && !in.compressed && in.held == 0 && len(dst) >= smallChunk && !in.sealed {
		in.target = dst[:min(int64(len(dst)), in.left)]
	}
}

// land says that n bytes have come into the target. Text is checked.
func (in *inbox) landed(n int) error {
	in.left -= int64(n)
	in.skip -= int64(n)
	in.progress++
	return in.decode(in.target[:n])
}

// open unmasks the next bytes of the frame at the pull cursor, and checks text.
func (in *inbox) decode(got []byte) error {
	if in.masked {
		ws.Cipher(got, in.mask, in.phase)
	}
	in.phase = (in.phase + len(got)) % 4
	if in.op == ws.OpText && !in.text.push(got) || in.tornText() {
		return errText
	}
	return nil
}

// pass drops what there is of the frame at the pull cursor.
func (in *inbox) skipPayload() {
	n := int(min(in.left, int64(in.held-in.unscanned)))
	in.left -= int64(n)
	in.consume(n)
}

// clear drops all that the scan cursor has passed. A message that it cuts is dropped to its end.
func (in *inbox) clear() {
	in.consume(in.held - in.unscanned)
	in.op, in.left, in.fin, in.compressed, in.decoded = 0, 0, false, false, 0
}

// seal ends the scanning. What the scan cursor has not passed is out of the pull cursor's reach from then on.
func (in *inbox) seal() {
	in.sealed = true
	in.held -= in.unscanned
	in.unscanned = 0
}
