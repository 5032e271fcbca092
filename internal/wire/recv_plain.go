package wire

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// A plain frame is a whole message that is not compressed and not long: final, text or binary, its length written in 7 or
// 16 bits. Most frames of a busy stream are plain, and both cursors pass one that lies in one chunk at a glance.

// finalText is the first byte of a plain frame of text; that of a binary one is one more.
const finalText = 1<<7 | byte(ws.OpText)

// plain returns the lengths of header and payload of the plain frame that b begins with, a header of zero if there is none,
// or not all of it. side is the mask bit of all frames that come.
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

// side is the mask bit of the frames that come.
func (in *inbox) side() byte {
	if in.state.ServerSide() {
		return 1 << 7
	}
	return 0
}

// glide moves the scan cursor over the plain frames behind it that lie in its chunk, unless it stands inside a message.
func (in *inbox) scanPlain() {
	if in.state.Fragmented() {
		return
	}
	b, side := in.at.buf[in.scanAt:], in.side()
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

// whole takes the message that begins at the pull cursor, if its frame is plain and there whole, its payload no longer than
// limit (0 or less: no bound) and no bad text. It returns the payload in the memory of dst, which grows if it must, and else
// an op of 0, having taken nothing.
func (in *inbox) takePlain(dst []byte, limit int) (ws.OpCode, []byte) {
	if in.op != 0 || in.head == nil {
		return 0, dst
	}
	b, side := in.head.buf[in.pullAt:], in.side()
	header, n := parsePlain(b, side)
	size := header + n
	if header == 0 || size > in.held-in.unscanned || limit > 0 && n > limit {
		return 0, dst
	}
	if cap(dst) < n {
		dst = slices.Grow(dst, n)
	}
	got := dst[:n]
	if side != 0 {
		unmask(got, b[header:size], [4]byte(b[header-4:header]))
	} else {
		copy(got, b[header:size])
	}
	op := ws.OpCode(b[0] & 0x0f)
	if op == ws.OpText && !utf8.Valid(got) {
		return 0, dst
	}
	in.held -= size
	if in.pullAt += size; in.pullAt == len(in.head.buf) {
		in.dropHead()
	}
	return op, got
}

// unmask copies src, of the same length, to dst, and takes off the mask.
func unmask(dst, src []byte, mask [4]byte) {
	if len(src) > maxControl {
		ws.Cipher(dst[:copy(dst, src)], mask, 0)
		return
	}
	m := uint64(binary.LittleEndian.Uint32(mask[:]))
	m |= m << 32
	for len(src) >= 32 && len(dst) >= 32 {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		binary.LittleEndian.PutUint64(d[0:8], binary.LittleEndian.Uint64(s[0:8])^m)
		binary.LittleEndian.PutUint64(d[8:16], binary.LittleEndian.Uint64(s[8:16])^m)
		binary.LittleEndian.PutUint64(d[16:24], binary.LittleEndian.Uint64(s[16:24])^m)
		binary.LittleEndian.PutUint64(d[24:32], binary.LittleEndian.Uint64(s[24:32])^m)
		dst, src = dst[32:], src[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^m)
		dst, src = dst[8:], src[8:]
	}
	for i := range min(len(src), len(dst)) {
		dst[i] = src[i] ^ byte(m>>(8*i))
	}
}
