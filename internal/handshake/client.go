package handshake

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Client makes the client's side of one handshake. The options of wsstream.DialOptions say what the
// fields of the same name mean.
type Client struct {
	URL       *url.URL // of ParseURL
	Host      string   // of the request
	Header    http.Header
	Deflate   *deflate.Config // nil: no compression is offered
	MaxHeader int             // bytes; 0: no limit

	Subprotocols        []string
	SubprotocolOptional bool

	Jar     http.CookieJar                        // nil: none
	TLS     *tls.Config                           // nil: the defaults
	Proxy   func(*http.Request) (*url.URL, error) // nil: none, but the environment's if NetDial is nil
	NetDial NetDial                               // nil: a net.Dialer's
}

// A NetDial connects to an address, as the method DialContext of a net.Dialer does.
type NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial connects to the server and makes the handshake. When ctx ends, it fails. The error is a *Failure,
// or the cause of ctx. The Transport of an error may have a Conn, which the caller has to cut.
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

// until runs f, which waits for nc and for nothing else, until ctx ends.
func until(ctx context.Context, nc net.Conn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() && err == nil {
		err = context.Cause(ctx) // the deadline may stand on the transport
	}
	return err
}

// shake makes the handshake on t.
//
// RFC 6455, section 4.1.
func (c *Client) shake(t *Transport) error {
	key := newKey()
	br := newHeaderReader(t.Conn, c.MaxHeader)
	resp, written, err := exchange(t.Conn, br, c.request(key))
	if err != nil {
		return &Failure{Err: err}
	}
	if cookies := resp.Cookies(); c.Jar != nil && len(cookies) > 0 {
		c.Jar.SetCookies(c.webURL(c.Host), cookies)
	}
	var z *Deflate
	err = c.check(resp, key)
	if err == nil {
		z, err = readExtensions(c.Deflate, resp.Header)
	}
	if err == nil {
		err = <-written
	}
	if err != nil {
		body := firstKiB(t.Conn, resp)
		return &Failure{Status: resp.StatusCode, Header: resp.Header, Body: body, Err: err}
	}
	t.Buffered = buffered(br.Reader)
	t.Agreed = Agreement{
		Protocol:   resp.Header.Get("Sec-WebSocket-Protocol"),
		Extensions: strings.Join(resp.Header.Values(extensionsField), ", "),
		Deflate:    z,
		Header:     resp.Header,
	}
	return nil
}
