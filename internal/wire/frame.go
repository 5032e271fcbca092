package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Close codes that the engine sends or reports (RFC 6455, section 7.4.1).
const (
	CodeGoingAway = 1001
	CodeNormal    = 1000
	CodeProtocol  = 1002
	CodeNone      = 1005 // the Close frame had no code; never on the wire
	CodeAbnormal  = 1006 // there was no Close frame; never on the wire
	CodeBadData   = 1007
	CodePolicy    = 1008
	CodeInternal  = 1011
	CodeTooBig    = 1009
	maxControl    = 125 // payload bytes, RFC 6455, section 5.5
	maxReason     = maxControl - 2
	maxControlLen = maxControl + 8 // on the wire, with header and mask
)

// rsv1 says, in ws.Header.Rsv of the first frame of a message, that it is compressed (RFC 7692, section 6).
const rsv1 = 4

// parseHeader parses the frame header that b begins with into h, and returns its length, 0 if b does not hold all of
// it. (ws.ReadHeaderBuffer cannot go on with a part of one, does not tell how the length was written, and costs as much
// as all else that is done for a small message.)
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
	errLength      = errors.New("a frame's length is not written in the fewest bytes (RFC 6455, section 5.2)")
	errLengthSign  = errors.New("a frame's length has its most significant bit set (RFC 6455, section 5.2)")
	errRsv         = errors.New("a frame has a reserved bit set that has no meaning (RFC 6455, section 5.2)")
	errRsv1        = errors.New("a frame that begins no message has RSV1 set (RFC 7692, section 6.1)")
	errCloseBody   = errors.New("a Close frame's body has one byte (RFC 6455, section 5.5.1)")
	errCloseReason = errors.New("a Close frame's reason is not UTF-8 (RFC 6455, section 5.5.1)")
	errText        = errors.New("a text message is not UTF-8 (RFC 6455, section 8.1)")
)

// checkHeader checks a header that raw begins with: all that RFC 6455, section 5, says of it in this state.
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
	if h.Rsv == 0 && h.Masked == state.ServerSide() && h.OpCode <= ws.OpBinary && (h.OpCode == ws.OpContinuation) == state.Fragmented() {
		return nil // as most are; to copy them for ws.CheckHeader costs more than all that it checks
	}
	return ws.CheckHeader(*h, state)
}

// A CloseInfo is what a Close frame carries. Code 0 stands for a frame with no body.
type CloseInfo struct {
	Code   int
	Reason string
}

// parseClose reads a Close frame's body. If it is bad it returns the code to answer with, and the rule.
func parseClose(body []byte) (info CloseInfo, code int, err error) {
	switch {
	case len(body) == 0:
		return CloseInfo{Code: CodeNone}, 0, nil
	case len(body) == 1:
		return info, CodeProtocol, errCloseBody
	}
	c, reason := ws.ParseCloseFrameData(body)
	switch {
	case !Sendable(int(c)):
		return info, CodeProtocol, fmt.Errorf("a Close frame carries code %d, which may not stand there (RFC 6455, section 7.4)", c)
	case !utf8.ValidString(reason):
		return info, CodeBadData, errCloseReason
	}
	return CloseInfo{Code: int(c), Reason: reason}, 0, nil
}

// Sendable reports whether code may stand in a Close frame: the defined ones, 1012 to 1014 of the registry, and
// 3000 to 4999 (RFC 6455, section 7.4.2).
func Sendable(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// appendClose appends a Close frame's body. A reason that is too long is cut between two characters.
func appendClose(b []byte, info CloseInfo) []byte {
	if info.Code == 0 || info.Code == CodeNone {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, uint16(info.Code))
	n := min(len(info.Reason), maxReason)
	for n < len(info.Reason) && !utf8.RuneStart(info.Reason[n]) {
		n--
	}
	return append(b, info.Reason[:n]...)
}
