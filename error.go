package wsstream

import (
	"errors"

	"github.com/wsstream/wsstream/internal/closed"
	"github.com/wsstream/wsstream/internal/wire"
)

var (
	// ErrClosed is what a Write fails with once the connection was closed in order, by either side. To errors.Is it
	// is stream.ErrClosed, and that is it.
	ErrClosed = closed.New("wsstream: connection closed")

	// ErrBusy is what Pull, PullInto and NextMessage return, at once, while a MessageReader is open.
	ErrBusy = errors.New("wsstream: a MessageReader is open: read it to its end or close it first")

	errHandshakeClosed = errors.New("closed during the handshake")
)

// An Error is the end of a connection of which the peer did not say that it was done: its code and reason where a
// Close frame came, else 1006, and why. Err names the broken rule or the transport's error. It wraps
// io.ErrUnexpectedEOF where the end came in the middle of a message.
//
// CloseCode finds the code of an Error inside another error. Given to Abort, Cancel or Fail, or returned by the
// function of a Handler, an Error says what the Close frame carries.
// RFC 6455, sections 7.1.5 and 7.4.1.
type Error struct {
	CloseInfo
	Err error // nil where the code says it all

	unclean bool // Closed failed with it: the closing handshake was not completed in order
}

// Error says how the connection ended, and why.
func (e *Error) Error() string {
	if e.Err == nil {
		return "wsstream: closed with " + e.String()
	}
	return "wsstream: closed with " + e.String() + ": " + e.Err.Error()
}

// Unwrap returns Err; nil for a nil *Error, which a program may have returned by mistake.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// engineErrors are what the engine fails with.
var engineErrors = wire.Errors{Closed: ErrClosed, Busy: ErrBusy, Unclean: unclean, Coded: coded}

func unclean(info wire.CloseInfo, err error) error {
	return &Error{CloseInfo: CloseInfo(info), Err: err, unclean: true}
}

func coded(info wire.CloseInfo, err error) error {
	return &Error{CloseInfo: CloseInfo(info), Err: err}
}
