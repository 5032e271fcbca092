package wsstream

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wsstream/wsstream/internal/handshake"
)

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
		s += fmt.Sprintf(", which leads to %q", handshake.Redact(to))
	}
	s += ")"
	if start := textStart(e.Header.Get("Content-Type"), e.Body); start != "" {
		s += fmt.Sprintf(": %q", start)
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// A ProxyError is a proxy that let no handshake through: it could not be reached, it refused, or it does not speak what
// its URL says. Dial puts it into a *HandshakeError, whose Status is the server's own and therefore 0.
type ProxyError struct {
	Proxy  string      // its URL, without anything that stands before an @
	Status int         // of its HTTP response; 0 if there was none, as from a SOCKS proxy
	Header http.Header // of its HTTP response; nil if there was none
	Body   []byte      // at most the first 1 KiB of the response's body: what came within 100 ms
	Err    error       // what was wrong
}

// Error names the proxy, and says what was wrong, and the status of its response if there was one.
func (e *ProxyError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("proxy %s: %v", e.Proxy, e.Err)
	}
	return fmt.Sprintf("proxy %s: %v (status %d %s)", e.Proxy, e.Err, e.Status, http.StatusText(e.Status))
}

// Unwrap returns Err.
func (e *ProxyError) Unwrap() error { return e.Err }

// handshakeError returns an error of package handshake as an error of the API. The cause of a context
// stays as it is.
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
