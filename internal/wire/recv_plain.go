package wire

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// A plain frame is a whole message that is neither compressed nor long: final, text or binary, with
// a length of 7 or 16 bits. Most frames of a busy stream are plain. If one lies in one chunk, both
// cursors pass it without parsing its header.

// finalText is the first byte of a plain text frame. That of a plain binary frame is one more.
const finalText = 1<<7 | byte(ws.OpText)

// parsePlain returns the lengths of header and payload of the plain frame that b begins with. The
// header is 0 if b begins with another frame, or does not hold all of this one. side is the mask
// bit of all frames that come.
func parsePlain(b []byte, side byte) (header, n int) {
	if len(b) < 4 || b[0]-finalText > 1 {
		return 0, 0
	}
	header = 2 + int(side>>5)
	if n = int(b[1] ^ side); n > maxControl {
		long := n == 126
		if n = int(binary.BigEndian.Uint16(b[2:])); !long || n <= maxControl {
			return 0, 0
		}
		header += 2
	}
	if header+n > len(b) {
		header = 0
	}
	return header, n
}

// side returns the mask bit of the frames that come.
func (in *inbox) side() byte {
	if in.state.ServerSide() {
		return 1 << 7
	}
	return 0
}

// scanPlain moves the scan cursor over the plain frames behind it that lie in its chunk, unless the
// cursor is inside a message.
func (in *inbox) scanPlain() {
	if in.state.Fragmented() {
		return
	}
	b, side := in.scanChunk.buf[in.scanAt:], in.side()
	rest := len(b)
	for {
		header, n := parsePlain(b, side)
		if header == 0 {
			break
		}
		b = b[header+n:]
	}
	if n := rest - len(b); n > 0 {
		in.scanAt += n
		in.unscanned -= n
		in.progress++
		in.empties.n = 0
	}
}

// takePlain takes the message that begins at the pull cursor, if its frame is plain and lies in one
// chunk. limit is the most payload bytes; 0 or less is no limit. It returns the payload in the
// memory of dst, which grows if it must. For any other message, and for bad text, it takes nothing
// and returns an op of 0: toPayload and takePayload then find out more.
func (in *inbox) takePlain(dst []byte, limit int) (op ws.OpCode, data []byte) {
	if in.op != 0 || in.head == nil {
		return 0, dst
	}
	b, side := in.head.buf[in.pullAt:], in.side()
	header, n := parsePlain(b, side)
	size := header + n
	if header == 0 || size > in.scanned() || limit > 0 && n > limit {
		return 0, dst
	}
	if cap(dst) < n {
		dst = slices.Grow(dst, n)
	}
	got := dst[:n]
	if side != 0 {
		unmaskInto(got, b[header:size], [4]byte(b[header-4:header]))
	} else {
		copy(got, b[header:size])
	}
	op = ws.OpCode(b[0] & 0x0f)
	if op == ws.OpText && !utf8.Valid(got) {
		return 0, dst
	}
	in.held -= size
	if in.pullAt += size; in.pullAt == len(in.head.buf) {
		in.dropHead()
	}
	return op, got
}
