package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Close codes that the engine sends or reports.
//
// RFC 6455, section 7.4.1.
const (
	CodeNormal    = 1000
	CodeGoingAway = 1001
	CodeProtocol  = 1002
	CodeNone      = 1005 // the Close frame has no code; never on the wire
	CodeAbnormal  = 1006 // there was no Close frame; never on the wire
	CodeBadData   = 1007
	CodePolicy    = 1008
	CodeTooBig    = 1009
	CodeInternal  = 1011
)

// maxReason is how many bytes a Close frame's reason can have, behind the code.
//
// RFC 6455, section 5.5.1.
const maxReason = maxControl - 2

var (
	errCloseBody   = errors.New("a Close frame's body has one byte (RFC 6455, section 5.5.1)")
	errCloseReason = errors.New("a Close frame's reason is not UTF-8 (RFC 6455, section 5.5.1)")
)

// A CloseInfo is what a Close frame carries. Code 0 means a frame without a body.
type CloseInfo struct {
	Code   int
	Reason string
}

// parseClose parses a Close frame's body. For a bad one it returns the code to answer with, and the
// broken rule.
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
		return info, CodeProtocol, fmt.Errorf(
			"a Close frame has code %d, which must not be sent (RFC 6455, section 7.4)", c)
	case !utf8.ValidString(reason):
		return info, CodeBadData, errCloseReason
	}
	return CloseInfo{Code: int(c), Reason: reason}, 0, nil
}

// Sendable reports whether a Close frame may have code. That is so for the codes that the RFC
// defines, for 1012 to 1014 of the registry, and for 3000 to 4999.
//
// RFC 6455, section 7.4.2.
func Sendable(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// appendClose appends a Close frame's body. A reason that is too long is cut between two
// characters.
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
