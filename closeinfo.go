package wsstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/wsstream/wsstream/internal/wire"
)

// A CloseInfo is the code and the reason of a Close frame.
//
// A Close frame that we send may have these codes: 1000 to 1003, 1007 to 1014, and 3000 to 4999. (A
// browser lets scripts send only 1000 and 3000 to 4999.) Code 0 sends no code, or 1000 if there is
// a reason. The reason is UTF-8 of at most 123 bytes.
//
// Closed reports the peer's code, or one of two codes that are never on the wire. 1005 means a
// Close frame without a code, and 1006 means no Close frame.
//
// RFC 6455, sections 5.5.1 and 7.4.
type CloseInfo struct {
	Code   int    // 0 or 1005: none
	Reason string // UTF-8; empty: none
}

// String returns the code, its name if it has one, and the reason.
func (i CloseInfo) String() string {
	s := fmt.Sprint(i.Code)
	if name := codeNames[i.Code]; name != "" {
		s += " (" + name + ")"
	}
	if i.Reason != "" {
		s += fmt.Sprintf(" %q", i.Reason)
	}
	return s
}

var codeNames = map[int]string{
	1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data",
	1005: "no code", 1006: "no Close frame", 1007: "invalid data", 1008: "policy violation",
	1009: "message too big", 1010: "extension missing", 1011: "internal error",
	1012: "service restart", 1013: "try again later", 1014: "bad gateway",
	1015: "TLS handshake failed",
}

// maxReason is how many bytes a reason may have, without the code.
//
// RFC 6455, section 5.5.
const maxReason = 123

// check returns the code and the reason that i has on the wire, or an error if they must not be
// sent.
func (i CloseInfo) check() (wire.CloseInfo, error) {
	switch {
	case i.Code == 0 && i.Reason != "":
		i.Code = 1000
	case i.Code != 0 && !wire.Sendable(i.Code):
		return wire.CloseInfo{}, fmt.Errorf("wsstream: close code %d may not be sent: "+
			"use 1000 to 1003, 1007 to 1014 or 3000 to 4999", i.Code)
	}
	switch {
	case len(i.Reason) > maxReason:
		return wire.CloseInfo{}, fmt.Errorf("wsstream: close reason has %d bytes, "+
			"more than the %d that fit a Close frame", len(i.Reason), maxReason)
	case !utf8.ValidString(i.Reason):
		return wire.CloseInfo{}, errors.New("wsstream: close reason is not UTF-8")
	}
	return wire.CloseInfo(i), nil
}

// CloseCode returns the code of the *Error in err. If there is none, it returns -1. That is so for
// nil, and for io.EOF and ErrClosed, which say that the peer was done. The code is 1006 for an end
// without a Close frame. So after a loop of Pulls, CloseCode(err) == 1001 means that the user left
// the page, or that the server stops.
//
// CloseCode does not say whether all messages came; err == nil does. A Close with 1000 in the
// middle of a message is an error, too.
func CloseCode(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return -1
}

// codeFor returns the code and the reason to close with because of cause. If cause is no failure,
// or is an *Error of 1005, codeFor returns well.
func codeFor(cause error, well CloseInfo) wire.CloseInfo {
	e, coded := errors.AsType[*Error](cause)
	coded = coded && e != nil
	switch {
	case cause == nil, cause == io.EOF, errors.Is(cause, ErrClosed):
		return wire.CloseInfo(well)
	case coded && (e.unclean || errors.Is(e, io.ErrUnexpectedEOF)):
		return wire.CloseInfo{Code: wire.CodeInternal}
	case coded && e.Code == wire.CodeNone:
		return wire.CloseInfo(well)
	case coded && e.Code != 0 && !wire.Sendable(e.Code):
		return wire.CloseInfo{Code: wire.CodeInternal}
	case coded:
		return wire.CloseInfo{Code: cmp.Or(e.Code, wire.CodeInternal), Reason: sendable(e.Reason)}
	case errors.Is(cause, context.Canceled):
		return wire.CloseInfo{Code: wire.CodeGoingAway}
	}
	return wire.CloseInfo{Code: wire.CodeInternal}
}

// sendable returns a reason that may be sent. If reason is not UTF-8, it returns an empty one. The
// engine cuts a reason that is too long.
func sendable(reason string) string {
	if !utf8.ValidString(reason) {
		return ""
	}
	return reason
}
