package wsstream

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wsstream/wsstream/internal/handshake"
)

// A HandshakeError is a handshake that failed. From Dial it has the server's response, if one came,
// which a browser hides. From Accept it has the response that the client got.
//
// RFC 6455, sections 4.1 and 4.2.2.
type HandshakeError struct {
	Status int         // of the HTTP response; 0 if there was none
	Header http.Header // of the HTTP response; nil if there was none
	Body   []byte      // of the response; at most 1 KiB that came within 100 ms
	Err    error       // what was wrong
}

// Error says what was wrong. If there was a response, it adds the status, the address that a
// redirect leads to, and the start of a body that is text.
func (e *HandshakeError) Error() string {
	s := "wsstream: handshake: " + e.Err.Error()
	if e.Status == 0 {
		return s
	}
	s += " (status " + strings.TrimSpace(fmt.Sprint(e.Status, " ", http.StatusText(e.Status)))
	if to := e.Header.Get("Location"); to != "" && e.Status/100 == 3 {
		s += fmt.Sprintf(", which leads to %.200q", handshake.Redact(to))
	}
	s += ")"
	if start := textStart(e.Header.Get("Content-Type"), e.Body); start != "" {
		s += fmt.Sprintf(": %q", start)
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// A ProxyError is a proxy that let no handshake through. It could not be reached, it refused, or it
// does not speak the protocol of its URL. It is the Err of Dial's *HandshakeError, whose Status is
// 0 then: the Status of a HandshakeError is the server's.
type ProxyError struct {
	Proxy  string      // its URL, without the part before an @
	Status int         // of its HTTP response; 0 if there was none, as from a SOCKS proxy
	Header http.Header // of its HTTP response; nil if there was none
	Body   []byte      // of its HTTP response; at most 1 KiB that came within 100 ms
	Err    error       // what was wrong
}

// Error names the proxy and says what was wrong. If there was a response, it adds the status.
func (e *ProxyError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("proxy %s: %v", e.Proxy, e.Err)
	}
	text := http.StatusText(e.Status)
	return fmt.Sprintf("proxy %s: %v (status %d %s)", e.Proxy, e.Err, e.Status, text)
}

// Unwrap returns Err.
func (e *ProxyError) Unwrap() error { return e.Err }

// handshakeError returns an error of package handshake as an error of the API. The cause of a
// context stays as it is.
func handshakeError(err error) error {
	f, ok := err.(*handshake.Failure)
	if !ok {
		return err
	}
	e := (*HandshakeError)(f)
	if p, ok := e.Err.(*handshake.ProxyFailure); ok {
		e.Err = (*ProxyError)(p)
	}
	return e
}

// maxShown is how many bytes of a body an error shows.
const maxShown = 200

// textStart returns the start of a body on one line. It is empty if the body is not text.
func textStart(contentType string, body []byte) string {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	isText := strings.HasPrefix(kind, "text/") || strings.HasSuffix(strings.TrimSpace(kind), "json")
	if kind != "" && !isText {
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
