package wsstream

import (
	"errors"

	"github.com/wsstream/wsstream/internal/closed"
	"github.com/wsstream/wsstream/internal/wire"
)

var (
	// ErrClosed is the error of a Write after the connection was closed in order, by either side.
	// For errors.Is it equals stream.ErrClosed.
	ErrClosed = closed.New("wsstream: connection closed")

	// ErrBusy is the error of Pull, PullInto and NextMessage while a MessageReader is open. They
	// return it immediately.
	ErrBusy = errors.New("wsstream: a MessageReader is open: read it to its end or close it first")

	errHandshakeClosed = errors.New("closed during the handshake")
)

// An Error is the end of a connection whose peer did not say that it was done. It has the peer's
// code and reason if a Close frame came, and 1006 otherwise. Err says why: which rule was broken,
// or the error of the transport. An Error wraps io.ErrUnexpectedEOF if the end came in the middle
// of a message.
//
// CloseCode finds the code of an Error inside another error. A program may give an Error to Abort,
// Cancel or Fail, or return it from the function of a Handler. [Writable.Abort] lists the code that
// the Close frame then has.
//
// RFC 6455, sections 7.1.5 and 7.4.1.
type Error struct {
	CloseInfo       // the peer's code and reason
	Err       error // more than the code says; nil if there is nothing more

	unclean bool // it is the error of Closed: the closing handshake was not completed in order
}

// Error says how the connection ended, and why.
func (e *Error) Error() string {
	if e.Err == nil {
		return "wsstream: closed with " + e.String()
	}
	return "wsstream: closed with " + e.String() + ": " + e.Err.Error()
}

// Unwrap returns Err. It returns nil for a nil *Error, which a program may return by mistake.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// engineErrors are the errors of the engine.
var engineErrors = wire.Errors{Closed: ErrClosed, Busy: ErrBusy, Unclean: unclean, Coded: coded}

func unclean(info wire.CloseInfo, err error) error {
	return &Error{CloseInfo: CloseInfo(info), Err: err, unclean: true}
}

func coded(info wire.CloseInfo, err error) error {
	return &Error{CloseInfo: CloseInfo(info), Err: err}
}
