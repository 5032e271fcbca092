package wsstream

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// checkOrigins checks the patterns of the option Origins.
func checkOrigins(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("wsstream: Origins: %q is not a pattern: %w", p, err)
		}
	}
	return nil
}

// checkOrigin lets in requests that no browser sent, those of the server's own origin, and those that a pattern
// matches (RFC 6455, section 10.2).
func (a *acceptor) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	var host string
	if u, err := url.Parse(origin); err == nil {
		host = u.Host
	}
	if host != "" && strings.EqualFold(host, r.Host) {
		return nil
	}
	for _, p := range a.origins {
		against := host
		if p == "*" || strings.Contains(p, "://") || host == "" {
			against = origin
		}
		if p == "*" {
			return nil
		}
		if ok, _ := path.Match(strings.ToLower(p), strings.ToLower(against)); ok { // checkOrigins has seen to the error
			return nil
		}
	}
	return fmt.Errorf("the origin %q is not the host %q, nor does one of the Origins match it", origin, r.Host)
}
