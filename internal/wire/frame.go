package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Close codes that the engine sends or reports (RFC 6455, section 7.4.1).
const (
	CodeProtocol  = 1002
	CodeNone      = 1005 // the Close frame had no code; never on the wire
	CodeAbnormal  = 1006 // there was no Close frame; never on the wire
	CodeBadData   = 1007
	CodeTooBig    = 1009
	maxControl    = 125 // payload bytes, RFC 6455, section 5.5
	maxReason     = maxControl - 2
	maxControlLen = maxControl + 8 // on the wire, with header and mask
)

// headerLen returns the length of the frame header that b begins with, or 0 if b is too short to tell.
func headerLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	n := 2
	switch b[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// headerPayload reads the length and the mask of a header that has been checked.
func headerPayload(b []byte) (length int64, masked bool, mask [4]byte) {
	switch n := b[1] & 0x7f; n {
	case 126:
		length = int64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		length = int64(binary.BigEndian.Uint64(b[2:]))
	default:
		length = int64(n)
	}
	if masked = b[1]&0x80 != 0; masked {
		mask = [4]byte(b[len(b)-4:])
	}
	return length, masked, mask
}

// A headerParser parses headers that are there whole, without allocating. (ws.ReadHeaderBuffer cannot go on
// with a header that it was given a part of.)
type headerParser struct {
	r       bytes.Reader
	scratch [maxHeader]byte
}

var parsers = sync.Pool{New: func() any { return new(headerParser) }}

func (p *headerParser) parse(b []byte) (ws.Header, error) {
	p.r.Reset(b)
	return ws.ReadHeaderBuffer(&p.r, p.scratch[:])
}

var (
	errLength      = errors.New("a frame's length is not written in the fewest bytes (RFC 6455, section 5.2)")
	errCloseBody   = errors.New("a Close frame's body has one byte (RFC 6455, section 5.5.1)")
	errCloseReason = errors.New("a Close frame's reason is not UTF-8 (RFC 6455, section 5.5.1)")
	errText        = errors.New("a text message is not UTF-8 (RFC 6455, section 8.1)")
)

// checkLength checks that the length of a header was written in the fewest bytes. gobwas' Header does not say
// how it was written.
func checkLength(raw []byte, h ws.Header) error {
	if n := raw[1] & 0x7f; n == 126 && h.Length < 126 || n == 127 && h.Length <= 0xffff {
		return errLength
	}
	return nil
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

// appendClose appends a Close frame's body.
func appendClose(b []byte, info CloseInfo) []byte {
	if info.Code == 0 || info.Code == CodeNone {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, uint16(info.Code))
	return append(b, info.Reason[:min(len(info.Reason), maxReason)]...)
}
