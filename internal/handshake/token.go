package handshake

import (
	"net/http"
	"slices"
	"strings"
)

// tokens splits the values of a header field at their commas.
func tokens(values []string) []string {
	var all []string
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			all = append(all, strings.Trim(t, " \t"))
		}
	}
	return all
}

// HasToken reports whether the header field lists token, in upper or lower case.
func HasToken(h http.Header, field, token string) bool {
	isToken := func(t string) bool { return equalASCII(t, token) }
	return slices.ContainsFunc(tokens(h.Values(field)), isToken)
}

// equalASCII reports whether s is token, in upper or lower case of ASCII letters. Other letters
// that fold to ASCII letters are longer.
func equalASCII(s, token string) bool { return len(s) == len(token) && strings.EqualFold(s, token) }
