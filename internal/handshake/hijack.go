package handshake

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
)

// hijack takes the connection of a request over, with the input that net/http has read of it.
func hijack(w http.ResponseWriter) (net.Conn, []byte, *refusal) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("the ResponseWriter cannot be hijacked: %s: %w", hijacked(w), err)
		return nil, nil, &refusal{http.StatusInternalServerError, nil, err}
	}
	return nc, buffered(rw.Reader), nil
}

// hijacked names the ResponseWriter that http.ResponseController asks to be hijacked behind w, or finds unable.
func hijacked(w http.ResponseWriter) string {
	for {
		if _, ok := w.(http.Hijacker); ok {
			return fmt.Sprintf("%T", w)
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return fmt.Sprintf("%T has neither Hijack nor Unwrap", w)
		}
		w = u.Unwrap()
	}
}

// passedOn returns the fields of a ResponseWriter that are sent with the response: cookies of sessions, say. Those of the
// handshake are its own, and those that hold for one hop are of a response that is not sent (RFC 9110, section 7.6.1).
func passedOn(h http.Header) http.Header {
	h = h.Clone()
	for _, named := range tokens(h.Values("Connection")) {
		h.Del(named)
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		name = http.CanonicalHeaderKey(name)
		return ofHandshake(name) || slices.Contains(hopByHop, name)
	})
	return h
}

var hopByHop = []string{"Keep-Alive", "Proxy-Connection", "Proxy-Authenticate"}
