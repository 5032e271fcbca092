package wsstream

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/wsstream/wsstream/internal/wire"
	"github.com/wsstream/wsstream/stream"
)

var (
	// ErrClosed is what a Write fails with once the connection was closed in order, by either side. It is
	// stream.ErrClosed.
	ErrClosed = stream.ErrClosed

	// ErrBusy is what Pull, PullInto and NextMessage return, at once, while a MessageReader is open.
	ErrBusy = errors.New("wsstream: a MessageReader is open: read it to its end or close it first")

	errHandshakeClosed = errors.New("closed during the handshake")
)

// An Error is the end of a connection that was not clean: the peer's code and reason where a Close frame came,
// else 1006, and why. Err names the broken rule or the transport's error.
//
// Given to Abort or Cancel, an Error says what the Close frame carries.
// RFC 6455, sections 7.1.5 and 7.4.1.
type Error struct {
	CloseInfo
	Err error // nil where the code says it all
}

// Error says how the connection ended, and why.
func (e *Error) Error() string {
	if e.Err == nil {
		return "wsstream: closed with " + e.String()
	}
	return "wsstream: closed with " + e.String() + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// engineErrors are what the engine fails with.
var engineErrors = wire.Errors{Closed: ErrClosed, Busy: ErrBusy, Unclean: unclean}

func unclean(info wire.CloseInfo, err error) error {
	return &Error{CloseInfo: CloseInfo(info), Err: err}
}

// A HandshakeError is a handshake that failed. Of Dial's it tells what a browser hides: the response, where one
// came. Of Accept's it tells what the client was answered with.
// RFC 6455, sections 4.1 and 4.2.2.
type HandshakeError struct {
	Status int         // of the HTTP response; 0 if there was none
	Header http.Header // of the HTTP response; nil if there was none
	Body   []byte      // at most the first 1 KiB of the response's body
	Err    error       // what was wrong
}

// Error says what was wrong, and the status of the response if there was one.
func (e *HandshakeError) Error() string {
	if e.Status == 0 {
		return "wsstream: handshake: " + e.Err.Error()
	}
	return fmt.Sprintf("wsstream: handshake: %v (status %d %s)", e.Err, e.Status, http.StatusText(e.Status))
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }
