package handshake

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Client makes the client's side of one handshake. Its fields mean the same as the options of
// wsstream.DialOptions with these names.
type Client struct {
	URL       *url.URL        // of ParseURL
	Host      string          // of the request
	Header    http.Header     // of the request; SetCredentials changes it
	Deflate   *deflate.Config // nil: no compression is offered
	MaxHeader int             // bytes; 0: no limit

	Subprotocols        []string // that are offered, in order of preference
	SubprotocolOptional bool     // the server may choose none

	Jar     http.CookieJar                        // nil: none
	TLS     *tls.Config                           // nil: the defaults
	NetDial NetDial                               // nil: a net.Dialer's
	Proxy   func(*http.Request) (*url.URL, error) // nil: the environment's, or none with a NetDial
}

// A NetDial connects to an address, as the method DialContext of a net.Dialer does.
type NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial connects to the server and makes the handshake. When ctx ends, it fails. The error is a
// *Failure, or the cause of ctx. The Transport that is returned with an error may have a Conn. The
// caller must cut it.
func (c *Client) Dial(ctx context.Context) (Transport, error) {
	c.setDefaults()
	nc, err := c.dial(ctx)
	if err != nil {
		return Transport{}, &Failure{Err: err}
	}
	t := Transport{Conn: nc}
	return t, until(ctx, nc, func() error { return c.shake(&t) })
}

func (c *Client) setDefaults() {
	if c.NetDial == nil {
		c.NetDial = new(net.Dialer).DialContext
		if c.Proxy == nil {
			c.Proxy = http.ProxyFromEnvironment
		}
	}
	c.NetDial = orError(c.NetDial)
}

var errNoConn = errors.New("the option NetDial returned neither a connection nor an error")

// orError returns a NetDial that fails where dial returns neither a connection nor an error.
func orError(dial NetDial) NetDial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if nc == nil && err == nil {
			err = errNoConn
		}
		return nc, err
	}
}

// dial makes the connection to the server.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	nc, err := c.reach(ctx, hostPort(c.URL))
	if err != nil || c.URL.Scheme == "ws" {
		return nc, err
	}
	config := c.tlsConfig()
	config.ServerName = cmp.Or(config.ServerName, c.URL.Hostname())
	return secure(ctx, nc, config)
}
