package wire

import (
	"slices"

	"github.com/gobwas/ws"
)

// hasScanned reports whether there is something for the pull cursor to pass.
func (in *inbox) hasScanned() bool { return in.held > in.unscanned }

// toPayload moves the pull cursor to the first unread payload of a message, or to the end of one.
// It reports whether the cursor is there. The scan cursor has checked the headers that it passes.
func (in *inbox) toPayload() bool {
	for in.left == 0 && !in.fin {
		if !in.hasScanned() {
			return false
		}
		var h ws.Header
		size := parseHeader(in.peek(in.head, in.pullAt, min(in.scanned(), maxHeader)), &h)
		if h.OpCode.IsControl() {
			in.consume(size + int(h.Length))
			continue
		}
		if h.OpCode != ws.OpContinuation {
			in.op, in.text, in.compressed = h.OpCode, textCheck{}, h.Rsv != 0
		}
		in.fin, in.left, in.mask = h.Fin, h.Length, masking{on: h.Masked, key: h.Mask}
		in.consume(size)
	}
	return true
}

// passControls moves the pull cursor over control frames, which the scan cursor has handled. If
// nothing unread is in front of them they use no credit, so pings alone never fill the window.
func (in *inbox) passControls() {
	for in.left == 0 && in.hasScanned() && in.head.buf[in.pullAt]&0x08 != 0 {
		var h ws.Header
		size := parseHeader(in.peek(in.head, in.pullAt, min(in.scanned(), maxHeader)), &h)
		in.consume(size + int(h.Length))
	}
}

// messageEnded reports whether the pull cursor is at the end of a message.
func (in *inbox) messageEnded() bool {
	return in.op != 0 && in.fin && in.left == 0 && !in.compressed
}

// tornText reports whether the message at the pull cursor is text that has ended inside a
// character.
func (in *inbox) tornText() bool {
	return in.op == ws.OpText && in.messageEnded() && !in.text.whole()
}

// endMessage leaves the message that has ended, and returns its opcode. For text that ends inside a
// character it returns errText.
func (in *inbox) endMessage() (op ws.OpCode, err error) {
	if in.tornText() {
		return 0, errText // its last frame was empty: otherwise the last byte had failed it
	}
	op = in.op
	in.leaveMessage()
	return op, nil
}

// leaveMessage leaves the message that has ended, without a check.
func (in *inbox) leaveMessage() { in.op, in.fin = 0, false }

// takePayload appends at most limit bytes of the frame at the pull cursor, as many as have come. It
// unmasks them, and checks text.
func (in *inbox) takePayload(dst []byte, limit int) ([]byte, error) {
	from := len(dst)
	n := int(min(in.left, int64(min(limit, in.scanned()))))
	// Memory grows with what has come, and not with what was declared.
	dst = slices.Grow(dst, int(min(in.left, int64(limit), 4*int64(n))))
	for n > 0 {
		m := min(n, len(in.head.buf)-in.pullAt)
		dst = append(dst, in.head.buf[in.pullAt:in.pullAt+m]...)
		in.left -= int64(m)
		n -= m
		in.consume(m)
	}
	return dst, in.decode(dst[from:])
}

// decode unmasks the next bytes of the frame at the pull cursor where they lie, and checks text.
func (in *inbox) decode(got []byte) error {
	in.mask.apply(got)
	if in.op == ws.OpText && !in.text.push(got) || in.tornText() {
		return errText
	}
	return nil
}

// skipPayload drops what has come of the frame at the pull cursor.
func (in *inbox) skipPayload() {
	n := int(min(in.left, int64(in.scanned())))
	in.left -= int64(n)
	in.consume(n)
}

// grow makes room in dst for a direct read, if enough bytes of the frame at the pull cursor are
// missing. Memory grows with what has come, and not with what was declared.
func (in *inbox) grow(dst []byte) []byte {
	if in.compressed || in.left < directRead || cap(dst)-len(dst) >= smallChunk {
		return dst
	}
	return slices.Grow(dst, int(min(in.left, int64(max(len(dst), directRead)))))
}

// room is grow, and directTarget of what it returns. It is not inlined: its frame would be a part
// of a waiting pull's.
//
//go:noinline
func (in *inbox) room(dst []byte) (grown, target []byte) {
	dst = in.grow(dst)
	return dst, in.directTarget(dst[len(dst):cap(dst)])
}

// directTarget returns the part of dst that the next read may fill with payload, without a copy. It
// is nil unless enough bytes of the frame at the pull cursor are missing, and nothing is in front
// of its payload.
func (in *inbox) directTarget(dst []byte) []byte {
	if in.left < directRead || in.compressed || in.held > 0 || len(dst) < smallChunk || in.sealed {
		return nil
	}
	return dst[:min(int64(len(dst)), in.left)]
}

// landed notes that a direct read has brought these bytes. It unmasks them, and checks text.
func (in *inbox) landed(got []byte) error {
	in.left -= int64(len(got))
	in.toSkip -= int64(len(got))
	in.progress++
	return in.decode(got)
}
