package wire

import (
	"encoding/binary"
	"errors"

	"github.com/gobwas/ws"
)

// Sizes of frames.
//
// RFC 6455, sections 5.2 and 5.5.
const (
	maxHeader       = 14             // bytes of a frame's header
	maxControl      = 125            // payload bytes of a control frame
	maxControlFrame = maxControl + 8 // bytes of a control frame with header and mask
)

// rsv1 in ws.Header.Rsv of a message's first frame says that the message is compressed.
//
// RFC 7692, section 6.
const rsv1 = 4

const finBit = 0x80 // of a header's first byte

// parseHeader parses the frame header that b begins with into h, and returns its length; 0 if b
// does not have all of it. The engine does not use ws.ReadHeaderBuffer for three reasons. That
// function cannot continue with a part of a header. It does not say how the length was encoded. It
// takes as long as all other work for a small message.
//
// RFC 6455, section 5.2.
func parseHeader(b []byte, h *ws.Header) (size int) {
	if len(b) < 2 {
		return 0
	}
	size = 2
	n := b[1] & 0x7f
	switch n {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	mask := size
	if h.Masked = b[1]&0x80 != 0; h.Masked {
		size += len(h.Mask)
	}
	if len(b) < size {
		return 0
	}
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]>>4&7, ws.OpCode(b[0]&0x0f)
	switch n {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(b[2:4]))
	case 127:
		h.Length = int64(binary.BigEndian.Uint64(b[2:10]))
	default:
		h.Length = int64(n)
	}
	if h.Masked {
		h.Mask = [4]byte(b[mask:size])
	}
	return size
}

var (
	errLength = errors.New(
		"a frame's length is not written in the fewest bytes (RFC 6455, section 5.2)",
	)
	errLengthSign = errors.New(
		"a frame's length has its most significant bit set (RFC 6455, section 5.2)",
	)
	errRsv = errors.New(
		"a frame has a reserved bit set that has no meaning (RFC 6455, section 5.2)",
	)
	errRsv1 = errors.New("a frame that begins no message has RSV1 set (RFC 7692, section 6.1)")
	errText = errors.New("a text message is not UTF-8 (RFC 6455, section 8.1)")
)

// checkHeader checks the header that raw begins with, in this state of the connection.
//
// RFC 6455, section 5.
func checkHeader(h *ws.Header, raw []byte, state ws.State) error {
	switch n := raw[1] & 0x7f; {
	case h.Length < 0:
		return errLengthSign
	case n == 126 && h.Length < 126, n == 127 && h.Length <= 0xffff:
		return errLength
	case h.Rsv == 0 || !state.Extended():
	case h.Rsv != rsv1:
		return errRsv
	case h.OpCode.IsControl() || h.OpCode == ws.OpContinuation:
		return errRsv1
	}
	if h.Rsv == 0 && h.Masked == state.ServerSide() && h.OpCode <= ws.OpBinary &&
		(h.OpCode == ws.OpContinuation) == state.Fragmented() {
		return nil // most headers; copying h for ws.CheckHeader costs more than its checks
	}
	return ws.CheckHeader(*h, state)
}
