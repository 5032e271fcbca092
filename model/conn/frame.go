package conn

import (
	"encoding/binary"
	"fmt"
)

// The opcodes.
const (
	opMore   = 0
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// A frame is one frame, its payload without the mask.
type frame struct {
	fin     bool
	rsv     byte // RSV1 is 4
	op      byte
	masked  bool
	key     [4]byte
	wide    int // bytes of the length field: 0 for the fewest
	payload []byte
}

// append appends the frame as it is on the wire.
func (f *frame) append(b []byte) []byte {
	first := f.rsv<<4 | f.op
	if f.fin {
		first |= 0x80
	}
	second, n := byte(0), len(f.payload)
	if f.masked {
		second = 0x80
	}
	switch {
	case f.wide == 8 || f.wide == 0 && n > 0xffff:
		b = binary.BigEndian.AppendUint64(append(b, first, second|127), uint64(n))
	case f.wide == 2 || n > 125:
		b = binary.BigEndian.AppendUint16(append(b, first, second|126), uint16(n))
	default:
		b = append(b, first, second|byte(n))
	}
	if !f.masked {
		return append(b, f.payload...)
	}
	b = append(b, f.key[:]...)
	for i, c := range f.payload {
		b = append(b, c^f.key[i%4])
	}
	return b
}

// A header is a frame whose payload may not have come whole.
type header struct {
	frame
	size   int    // bytes of the header
	length uint64 // of the payload
	short  bool   // the length is in the fewest bytes
}

// parse parses the header that b begins with. It reports false if not all of the header has come.
func parse(b []byte) (h header, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.fin, h.rsv, h.op = b[0]&0x80 != 0, b[0]>>4&7, b[0]&15
	h.masked, h.length, h.size, h.short = b[1]&0x80 != 0, uint64(b[1]&127), 2, true
	switch h.length {
	case 126:
		h.size = 4
	case 127:
		h.size = 10
	}
	head := h.size
	if h.masked {
		head += 4
	}
	if len(b) < head {
		return h, false
	}
	switch h.size {
	case 4:
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
		h.short = h.length > 125
	case 10:
		h.length = binary.BigEndian.Uint64(b[2:])
		h.short = h.length > 0xffff
	}
	if h.masked {
		h.key = [4]byte(b[h.size:])
	}
	h.size = head
	return h, true
}

// take sets the payload to what has come of it, and reports whether that is all. b begins with the
// frame.
func (h *header) take(b []byte) bool {
	p := b[h.size:]
	if uint64(len(p)) > h.length {
		p = p[:h.length]
	}
	h.payload = make([]byte, len(p))
	copy(h.payload, p)
	if h.masked {
		for i := range h.payload {
			h.payload[i] ^= h.key[i%4]
		}
	}
	return uint64(len(p)) == h.length
}

// broken returns the rule of RFC 6455, section 5, that the header breaks; "" for none. inside says
// that a message has begun.
func (h *header) broken(fromClient, deflates, inside bool) string {
	control := h.op&8 != 0
	switch {
	case h.masked != fromClient:
		return "mask"
	case h.length>>63 != 0:
		return "the sign of the length"
	case !h.short:
		return "the length is not in the fewest bytes"
	case h.rsv != 0 && (!deflates || h.rsv != 4 || control || h.op == opMore):
		return "reserved bits"
	case h.op > opPong || h.op > opBinary && h.op < opClose:
		return "opcode"
	case control && !h.fin:
		return "a fragment of a control frame"
	case control && h.length > 125:
		return "a long control frame"
	case h.op == opMore && !inside:
		return "it continues nothing"
	case !control && h.op != opMore && inside:
		return "a message within another"
	}
	return ""
}

func (h *header) String() string {
	return fmt.Sprintf("op %d fin %v rsv %d of %d bytes", h.op, h.fin, h.rsv, h.length)
}

// closeBody returns the body of a Close frame. Code 0 means none.
func closeBody(code int, reason string) []byte {
	if code == 0 {
		return nil
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
