package handshake

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ParseURL parses the URL of a server, and separates the credentials from it. The host is in ASCII
// and the query is escaped, as browsers send them. Errors do not show the part before an @.
func ParseURL(s string) (u *url.URL, user *url.Userinfo, err error) {
	u, err = url.Parse(s)
	if e, ok := errors.AsType[*url.Error](err); ok {
		why := e.Err.Error()
		if Redact(s) != s {
			why = redactText(why)
		}
		return nil, nil, fmt.Errorf("wsstream: bad URL %q: %s", Redact(s), why)
	}
	bad := func(what string) (*url.URL, *url.Userinfo, error) {
		return nil, nil, fmt.Errorf("wsstream: URL %q%s", Redact(s), what)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	case "":
		return bad(" is relative")
	default:
		return bad(": the scheme is not ws, wss, http or https")
	}
	switch {
	case u.Hostname() == "":
		return bad(" has no host")
	case strings.Contains(s, "#"):
		return bad(" has a fragment")
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return bad(": the port is not a number up to 65535")
		}
	}
	if u.Host, err = asciiHost(u.Host); err != nil {
		return bad(": " + err.Error())
	}
	user, u.User = u.User, nil
	u.RawQuery = escapeQuery(u.RawQuery)
	return u, user, nil
}

// escapeQuery escapes what browsers escape in the query of a URL. Escapes stay as they are.
// URL Standard, special-query percent-encode set.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>'`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// names maps names as browsers do: UTS #46, nontransitional. Underscores and hyphens are allowed in
// every position.
var names = idna.New(
	idna.MapForLookup(),
	idna.StrictDomainName(false),
	idna.CheckHyphens(false),
	idna.BidiRule(),
)

var errBadHost = errors.New("the host is neither a name nor an address")

// asciiHost returns a host, or a host and a port, with its name in ASCII: labels of other
// characters become A-labels. A name in ASCII stays as it is.
// RFC 5890, section 2.3.2.1.
func asciiHost(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		_, err := netip.ParseAddr((&url.URL{Host: host}).Hostname())
		if err != nil || strings.Contains(host, "@") || strings.Count(host, "]") > 1 { // in a zone
			return "", errBadHost
		}
		return host, nil
	}
	name, port, hasPort := strings.Cut(host, ":")
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		var err error
		if name, err = names.ToASCII(name); err != nil {
			return "", errBadHost
		}
	}
	if !hostName.MatchString(name) || strings.Trim(port, "0123456789") != "" {
		return "", errBadHost
	}
	if hasPort {
		name += ":" + port
	}
	return name, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._~!$&'()*+,;=-]+$`) // RFC 3986, section 3.2.2

var defaultPorts = map[string]string{
	"ws": "80", "http": "80", "wss": "443", "https": "443", "socks5": "1080", "socks5h": "1080",
}

// hostPort returns the address of a URL's server, with its port.
func hostPort(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPorts[u.Scheme]))
}
