package handshake

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
)

// hijack takes over the connection of a request, with the input that net/http has already read.
func hijack(w http.ResponseWriter) (net.Conn, []byte, *refusal) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("the ResponseWriter cannot be hijacked: %s: %w", hijacked(w), err)
		return nil, nil, &refusal{http.StatusInternalServerError, nil, err}
	}
	return nc, buffered(rw.Reader), nil
}

// hijacked names the http.Hijacker that http.ResponseController finds behind w, or the type where
// its search ends.
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

// passedOn returns the fields of a ResponseWriter that are sent with the response, for example the
// cookies of a session. It leaves out the fields that the handshake writes itself. Fields that
// concern one hop belong to a response that is not sent.
//
// RFC 9110, section 7.6.1.
func passedOn(h http.Header) http.Header {
	if len(h) == 0 {
		return nil
	}
	h = h.Clone()
	for named := range tokens(h.Values("Connection")) {
		h.Del(named)
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		name = http.CanonicalHeaderKey(name)
		return ofHandshake(name) || slices.Contains(hopByHop, name)
	})
	return h
}

var hopByHop = []string{"Keep-Alive", "Proxy-Connection", "Proxy-Authenticate"}
