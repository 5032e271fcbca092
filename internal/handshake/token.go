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

// HasToken reports whether the header field lists token. Case does not count.
func HasToken(h http.Header, field, token string) bool {
	return slices.ContainsFunc(tokens(h.Values(field)), func(t string) bool { return equalASCII(t, token) })
}

// equalASCII reports whether s is token, whatever the case of its ASCII letters. Other letters that
// fold to those are longer.
func equalASCII(s, token string) bool { return len(s) == len(token) && strings.EqualFold(s, token) }
