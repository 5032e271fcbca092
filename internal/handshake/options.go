package handshake

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// isToken reports whether s is a token, as the name of a field is.
//
// RFC 9110, section 5.6.2.
func isToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

// mayBeOffered reports whether a server can find s in a list that is split at commas.
func mayBeOffered(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == ',' || r == '"'
	})
}

// CheckHeader checks the option Header. It refuses the fields that the handshake writes itself, and
// fields that cannot be written.
func CheckHeader(h http.Header) error {
	for name, values := range h {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !isToken(name):
			return fmt.Errorf("wsstream: Header: %q is not a field name", name)
		case ofHandshake(canonical):
			return fmt.Errorf("wsstream: Header: the field %s belongs to the handshake", canonical)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, isControl) {
				return fmt.Errorf("wsstream: Header: the value of %s has a control character", name)
			}
		}
	}
	return nil
}

// isControl reports whether the value of a field must not have r.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// ofHandshake reports whether the handshake itself writes the field of that canonical name.
func ofHandshake(name string) bool {
	return strings.HasPrefix(name, "Sec-Websocket-") || slices.Contains(handshakeFields, name)
}

var handshakeFields = []string{
	"Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer",
}

// CheckHost checks the option Host, and returns it with its name in ASCII. Empty stays empty.
func CheckHost(host string) (string, error) {
	if host == "" {
		return "", nil
	}
	u, err := url.Parse("http://" + host)
	if err == nil && u.Host == host && u.Hostname() != "" {
		if host, err = asciiHost(host); err == nil {
			return host, nil
		}
	}
	return "", fmt.Errorf("wsstream: Host: %q is not a host, or a host and a port", Redact(host))
}
