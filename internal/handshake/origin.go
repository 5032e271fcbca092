package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// Origins are the patterns of the option Origins.
type Origins []originPattern

// An originPattern is one pattern of the option Origins.
type originPattern struct {
	pattern string // of path.Match, in lower case, an address in brackets escaped
	whole   bool   // it has a scheme, and is matched against the whole origin
	port    bool   // it ends with a port, and not with a pattern of one
}

// ParseOrigins reads the option Origins.
func ParseOrigins(patterns []string) (Origins, error) {
	var all Origins
	for _, p := range patterns {
		scheme, host, whole := strings.Cut(strings.ToLower(p), "://")
		if !whole {
			scheme, host = "", scheme
		}
		if p == "" {
			return nil, errors.New("wsstream: Origins: an empty pattern matches no origin")
		}
		if strings.Contains(host, "/") {
			return nil, fmt.Errorf("wsstream: Origins: %q has a path, and no origin has one", p)
		}
		o := originPattern{pattern: escapeAddress(host), whole: whole, port: endsWithPort(host)}
		if whole {
			o.pattern = scheme + "://" + o.pattern
		}
		if _, err := path.Match(o.pattern, ""); err != nil {
			return nil, fmt.Errorf("wsstream: Origins: %q is not a pattern: %w", p, err)
		}
		all = append(all, o)
	}
	return all, nil
}

// escapeAddress escapes the brackets of an IPv6 address at the start of a host, and writes the
// address as browsers do. Brackets without a colon are a class of characters.
func escapeAddress(host string) string {
	inside, rest, ok := strings.Cut(strings.TrimPrefix(host, "["), "]")
	if !ok || host[0] != '[' || !strings.Contains(inside, ":") {
		return host
	}
	addr, err := netip.ParseAddr(inside)
	if err == nil && !addr.Is4In6() { // browsers write an IPv4 address in IPv6 in hexadecimal
		inside = addr.String()
	}
	return `\[` + inside + `\]` + rest
}

// endsWithPort reports whether a host ends with a colon and digits.
func endsWithPort(host string) bool {
	name := strings.TrimRight(host, "0123456789")
	return len(name) < len(host) && strings.HasSuffix(name, ":")
}

// matches reports whether the pattern matches an origin. The default port of a scheme may be
// written out or not.
func (o originPattern) matches(scheme, host, port string) bool {
	if o.port && port == "" && defaultPorts[scheme] != "" {
		host += ":" + defaultPorts[scheme] // browsers leave it out
	}
	if o.whole {
		host = scheme + "://" + host
	}
	ok, _ := path.Match(o.pattern, host) // ParseOrigins has checked the pattern
	return ok
}

// maxOrigin is how many bytes an origin may have: more than a browser sends, whose names of hosts
// have at most 253.
const maxOrigin = 512

// check returns an error for a request whose origin may not connect. A request may connect if no
// browser sent it, if it is from the server's own origin, or if a pattern matches its origin.
//
// RFC 6455, section 10.2.
func (all Origins) check(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if len(origin) > maxOrigin {
		return fmt.Errorf("the origin has more than %d bytes", maxOrigin)
	}
	u, err := url.Parse(strings.ToLower(origin))
	if err == nil && u.Host != "" && u.Host == withoutPort(strings.ToLower(r.Host), u) {
		return nil
	}
	for _, p := range all {
		switch {
		case p.pattern == "*":
			return nil
		case err == nil && u.Host != "":
			if p.matches(u.Scheme, u.Host, u.Port()) {
				return nil
			}
		case p.pattern == strings.ToLower(origin): // "null" for example, which has no host
			return nil
		}
	}
	return fmt.Errorf("the origin %q is not the host %.300q, nor does one of the Origins match it",
		origin, r.Host)
}

// withoutPort returns a request's Host as the browser writes it in an origin: without the default
// port of the origin's scheme. Proxies add that port.
func withoutPort(host string, origin *url.URL) string {
	port := defaultPorts[origin.Scheme]
	if port == "" || origin.Port() != "" {
		return host
	}
	return strings.TrimSuffix(host, ":"+port)
}
