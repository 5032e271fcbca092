package wsstream

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

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

// A HandshakeError is a handshake that failed. Of Dial's it tells what a browser hides: the response, where one
// came. Of Accept's it tells what the client was answered with.
// RFC 6455, sections 4.1 and 4.2.2.
type HandshakeError struct {
	Status int         // of the HTTP response; 0 if there was none
	Header http.Header // of the HTTP response; nil if there was none
	Body   []byte      // at most the first 1 KiB of the response's body: of what came within 100 ms
	Err    error       // what was wrong
}

// Error says what was wrong, and of the response, if there was one, the status, where a redirect leads to, and the start of
// a body that is text.
func (e *HandshakeError) Error() string {
	s := "wsstream: handshake: " + e.Err.Error()
	if e.Status == 0 {
		return s
	}
	s += " (status " + strings.TrimSpace(fmt.Sprint(e.Status, " ", http.StatusText(e.Status)))
	if to := e.Header.Get("Location"); to != "" && e.Status/100 == 3 {
		s += fmt.Sprintf(", which leads to %q", clean(to))
	}
	s += ")"
	if start := textStart(e.Header.Get("Content-Type"), e.Body); start != "" {
		s += fmt.Sprintf(": %q", start)
	}
	return s
}

// maxShown is how many bytes of a body an error shows.
const maxShown = 200

// textStart returns the start of a body on one line, or nothing if it is not text.
func textStart(contentType string, body []byte) string {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	if kind != "" && !strings.HasPrefix(kind, "text/") && !strings.HasSuffix(strings.TrimSpace(kind), "json") {
		return ""
	}
	whole := strings.Join(strings.Fields(string(body)), " ")
	s := whole[:min(len(whole), maxShown)]
	for range utf8.UTFMax - 1 { // the last character may have been cut
		if !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	if len(whole) > maxShown {
		s += "…"
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }
