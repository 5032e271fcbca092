package wsstream

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The defaults of the options.
const (
	DefaultReadWindow       = 64 << 10 // bytes
	DefaultWriteWindow      = 64 << 10 // bytes
	DefaultMaxMessageSize   = 1 << 20  // bytes
	DefaultMaxFrameSize     = 64 << 10 // bytes
	DefaultMaxHandshakeSize = 64 << 10 // bytes
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultPongTimeout      = 20 * time.Second

	minWindow = 256 // bytes: a control frame, and a message's start beside it
)

// options are what DialOptions and AcceptOptions have in common, with the defaults filled in. Numbers that stand
// for no bound are 0.
type options struct {
	subprotocols     []string
	offers           bool // the subprotocols to a server, as it needs them; else they are tokens
	header           http.Header
	readWindow       int
	writeWindow      int
	maxMessage       int
	maxFrame         int
	maxHandshake     int
	handshakeTimeout time.Duration
	closeTimeout     time.Duration
	keepalive
	logger      *slog.Logger
	compression *compression // nil: none; not filled in by check, since the sides differ
	trace       *Trace
	meter       *Meter

	shook func(*Conn, Opened, error) // what Trace wants called when the handshake is done; nil for none
}

// check returns a copy of o with the defaults filled in, or an error that names the option.
func (o options) check() (*options, error) {
	o.readWindow = orDefault(o.readWindow, DefaultReadWindow)
	o.writeWindow = orDefault(o.writeWindow, DefaultWriteWindow)
	o.maxMessage = orDefault(o.maxMessage, DefaultMaxMessageSize)
	o.maxFrame = orDefault(o.maxFrame, DefaultMaxFrameSize)
	o.maxHandshake = orDefault(o.maxHandshake, DefaultMaxHandshakeSize)
	o.handshakeTimeout = orDefault(o.handshakeTimeout, DefaultHandshakeTimeout)
	o.closeTimeout = orDefault(o.closeTimeout, DefaultCloseTimeout)
	o.pongTimeout = orDefault(o.pongTimeout, DefaultPongTimeout)
	o.subprotocols = slices.Clone(o.subprotocols)
	o.header = o.header.Clone()
	if n := o.readWindow; n != 0 && n < minWindow {
		return &o, fmt.Errorf("wsstream: ReadWindow is %d bytes, less than the least of %d", n, minWindow)
	}
	if n := o.writeWindow; n != 0 && n < minWindow {
		return &o, fmt.Errorf("wsstream: WriteWindow is %d bytes, less than the least of %d", n, minWindow)
	}
	for i, p := range o.subprotocols {
		switch {
		case o.offers && !mayBeOffered(p):
			return &o, fmt.Errorf("wsstream: Subprotocols: %q is neither a token "+
				"nor visible ASCII without commas and quotes", p)
		case !o.offers && !isToken(p):
			return &o, fmt.Errorf("wsstream: Subprotocols: %q is not a token (RFC 6455, section 4.1)", p)
		}
		if slices.ContainsFunc(o.subprotocols[:i], func(q string) bool { return strings.EqualFold(p, q) }) {
			return &o, fmt.Errorf("wsstream: Subprotocols: %q stands twice", p)
		}
	}
	return &o, checkHeader(o.header)
}

// orDefault fills in the default for 0, and 0 for what is negative: no bound.
func orDefault[T int | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

// checkHost returns a Host header, its name in ASCII, or refuses what is none.
func checkHost(host string) (string, error) {
	if host == "" {
		return "", nil
	}
	u, err := url.Parse("http://" + host)
	if err == nil && u.Host == host && u.Hostname() != "" {
		if host, err = asciiHost(host); err == nil {
			return host, nil
		}
	}
	return "", fmt.Errorf("wsstream: Host: %q is not a host, or a host and a port", clean(host))
}

// checkHeader refuses header fields that the handshake writes by itself, and what could not be written as one.
func checkHeader(h http.Header) error {
	for name, values := range h {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !isToken(name):
			return fmt.Errorf("wsstream: Header: %q is not a field name", name)
		case ofHandshake(canonical):
			return fmt.Errorf("wsstream: Header: the field %s belongs to the handshake", canonical)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("wsstream: Header: the value of %s has a control character", name)
			}
		}
	}
	return nil
}

// ofHandshake reports whether the handshake writes the field of that canonical name by itself.
func ofHandshake(name string) bool {
	return strings.HasPrefix(name, "Sec-Websocket-") || slices.Contains(handshakeFields, name)
}

var handshakeFields = []string{"Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer"}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// mayBeOffered reports whether a server finds s whole in a list. libzmq expects "ZWS2.0/NULL".
func mayBeOffered(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == ',' || r == '"'
	})
}
