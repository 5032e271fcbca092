package resume

import (
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

var (
	// ErrTakenOver is the error of a client's session that another client has taken over: one that
	// has the same id.
	ErrTakenOver = errors.New("resume: another connection has taken the session over")

	// ErrGone is the error of a client's session that the server does not have any more. The server
	// was started again, or the client was away for too long.
	ErrGone = errors.New("resume: the server does not have the session any more")

	// ErrRefused is the error of a client's session whose user the server refuses, if the server
	// uses ServeConn. From ServeHTTP a client gets a *wsstream.HandshakeError with status 403.
	ErrRefused = errors.New("resume: the server refuses the user")

	errAbandoned  = errors.New("resume: CloseNow was called")
	errUnanswered = errors.New("resume: the peer has not ended the session within AwayTimeout")
	errPeerGone   = errors.New("resume: the peer gave the session up")
)

// A LostError is the error of a session whose connection was lost, and that could not be continued.
type LostError struct {
	// Away is how long the session had no connection.
	Away time.Duration

	// Err is why: the error of the last connection, ErrGone, ErrTakenOver, ErrRefused, or nil if
	// the client did not come. It is another error if the peer did not answer our end.
	Err error

	// Unacknowledged has the messages that were accepted, and of which the peer has not said that
	// it received them. It may have received some.
	Unacknowledged []wsstream.Message
}

// Error says how long the session was away, and how many messages were not acknowledged.
func (e *LostError) Error() string {
	s := fmt.Sprintf("resume: the session was lost after %v without a connection, "+
		"with %d messages unacknowledged", e.Away.Round(time.Millisecond), len(e.Unacknowledged))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// endErrors returns what Pull and Write return after the peer's END. own is our END, if it came
// first: the peer agrees to it.
func endErrors(i wsstream.CloseInfo, own *wsstream.CloseInfo) (readEnd, writeEnd error) {
	if i.Code == 0 || i.Code == 1000 || own != nil && own.Code == i.Code {
		return io.EOF, wsstream.ErrClosed
	}
	err := &wsstream.Error{CloseInfo: i}
	return err, err
}

// peerInfo returns i as Closed reports it.
func peerInfo(i wsstream.CloseInfo) wsstream.CloseInfo {
	if i.Code == 0 {
		i.Code = 1005
	}
	return i
}

// checkInfo returns i as an END has it.
func checkInfo(i wsstream.CloseInfo) (wsstream.CloseInfo, error) {
	switch {
	case i.Code == 1005:
		i.Code = 0
	case i.Code == 0 && i.Reason != "":
		i.Code = 1000
	}
	switch {
	case i.Code != 0 && !sendable(i.Code):
		return i, fmt.Errorf("resume: close code %d may not be sent", i.Code)
	case len(i.Reason) > maxEndLen-2:
		return i, fmt.Errorf("resume: close reason has %d bytes, more than %d",
			len(i.Reason), maxEndLen-2)
	case !utf8.ValidString(i.Reason):
		return i, errors.New("resume: close reason is not UTF-8")
	}
	return i, nil
}
