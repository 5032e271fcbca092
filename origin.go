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
		_, host, ok := strings.Cut(p, "://")
		if !ok {
			host = p
		}
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("wsstream: Origins: %q is not a pattern: %w", p, err)
		}
		if strings.Contains(host, "/") {
			return fmt.Errorf("wsstream: Origins: %q has a path, and no origin has one", p)
		}
	}
	return nil
}

// checkOrigin lets in requests that no browser sent, those of the server's own origin, and those that a pattern
// matches (RFC 6455, section 10.2).
func (s *responder) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	host, whole := "", origin // of "null", and of what is no URL, there is only the whole
	if u, err := url.Parse(origin); err == nil && u.Host != "" {
		host, whole = u.Host, u.Scheme+"://"+u.Host
		if strings.EqualFold(host, withoutPort(r.Host, u)) {
			return nil
		}
	}
	for _, p := range s.origins {
		against := host
		if host == "" || strings.Contains(p, "://") {
			against = whole
		}
		ok, _ := path.Match(strings.ToLower(p), strings.ToLower(against)) // checkOrigins has seen to the error
		if ok || p == "*" {
			return nil
		}
	}
	return fmt.Errorf("the origin %q is not the host %q, nor does one of the Origins match it", origin, r.Host)
}

// withoutPort returns a request's Host as the browser writes it in an origin: without the port that the scheme of
// that origin has by default. Proxies add it.
func withoutPort(host string, origin *url.URL) string {
	if origin.Port() != "" {
		return host
	}
	return strings.TrimSuffix(host, ":"+defaultPorts[origin.Scheme])
}
