package handshake

import (
	"iter"
	"net/http"
	"strings"
)

// The fields of the handshake as http.Header spells them. Another spelling costs an allocation with
// each look-up.
const (
	keyField        = "Sec-Websocket-Key"
	acceptField     = "Sec-Websocket-Accept"
	versionField    = "Sec-Websocket-Version"
	protocolField   = "Sec-Websocket-Protocol"
	extensionsField = "Sec-Websocket-Extensions"
)

// tokens splits the values of a header field at their commas. A list of them would take more memory
// than the field: an empty token is one byte there.
func tokens(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range values {
			for t := range strings.SplitSeq(v, ",") {
				if !yield(strings.Trim(t, " \t")) {
					return
				}
			}
		}
	}
}

// HasToken reports whether the header field lists token, in upper or lower case.
func HasToken(h http.Header, field, token string) bool {
	for t := range tokens(h.Values(field)) {
		if equalASCII(t, token) {
			return true
		}
	}
	return false
}

// equalASCII reports whether s is token, in upper or lower case of ASCII letters. Other letters
// that fold to ASCII letters are longer.
func equalASCII(s, token string) bool { return len(s) == len(token) && strings.EqualFold(s, token) }
