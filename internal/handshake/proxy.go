package handshake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// reach connects to addr, through a proxy if the option Proxy returns one.
func (c *Client) reach(ctx context.Context, addr string) (net.Conn, error) {
	if c.Proxy == nil {
		return c.NetDial(ctx, "tcp", addr)
	}
	r := &http.Request{
		Method: http.MethodGet,
		URL:    c.webURL(c.URL.Host),
		Host:   c.Host,
		Header: c.Header.Clone(),
	}
	u, err := c.Proxy(r.WithContext(ctx))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the option Proxy: %w", withoutCredentials(err))
	case u == nil:
		return c.NetDial(ctx, "tcp", addr)
	}
	nc, err := c.through(ctx, u, addr)
	if err == nil {
		return nc, nil
	}
	e, ok := errors.AsType[*ProxyFailure](err)
	if !ok {
		e = &ProxyFailure{Err: err}
	}
	shown := *u
	shown.User = nil
	e.Proxy = Redact(shown.String())
	return nil, e
}

// checkProxy returns a proxy's URL with its host in ASCII.
func checkProxy(u *url.URL) (*url.URL, error) {
	host, err := asciiHost(u.Host)
	switch {
	case u.Hostname() == "":
		return nil, errors.New("the URL that the option Proxy gives has no host")
	case err != nil:
		return nil, fmt.Errorf("the URL that the option Proxy gives: %w", err)
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return nil, errors.New("the scheme that the option Proxy gives " +
			"is not http, https, socks5 or socks5h")
	}
	own := *u
	own.Host = host
	return &own, nil
}

// through connects to addr through the proxy at u.
func (c *Client) through(ctx context.Context, u *url.URL, addr string) (net.Conn, error) {
	u, err := checkProxy(u)
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(u.Scheme, "socks5"):
		return c.socks(ctx, u, addr)
	}
	nc, err := c.NetDial(ctx, "tcp", hostPort(u))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		config := c.tlsConfig()
		config.ServerName = u.Hostname() // the one in the option TLSConfig is the server's
		tc, err := secure(ctx, nc, config)
		if err != nil {
			return nil, err
		}
		nc = &secured{tc, nc}
	}
	if err := until(ctx, nc, func() error { return c.ask(nc, u, addr) }); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return nc, nil
}

// A secured is a TLS connection to a proxy, through which the server's bytes go. Its Close closes
// the bare connection and sends nothing, as Cut does.
type secured struct {
	net.Conn
	bare net.Conn
}

// Close closes the bare connection.
func (s *secured) Close() error { return s.bare.Close() }

// ask asks an HTTP proxy to connect to addr.
//
// RFC 9110, section 9.3.6.
func (c *Client) ask(nc net.Conn, u *url.URL, addr string) error {
	r := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: addr},
		Host:   addr,
		Header: http.Header{"User-Agent": {""}},
	}
	if u.User != nil {
		r.Header.Set("Proxy-Authorization", basic(u.User))
	}
	br := newHeaderReader(nc, c.MaxHeader)
	resp, written, err := exchange(nc, br, r)
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 != 2:
		return &ProxyFailure{
			Status: resp.StatusCode,
			Header: resp.Header,
			Body:   firstKiB(nc, resp),
			Err:    reason(resp, u),
		}
	case br.Buffered() > 0:
		return fmt.Errorf("%d bytes came behind its answer, before the server was asked anything",
			br.Buffered())
	}
	return <-written
}

// reason returns the reason of a proxy's refusal, from the response.
func reason(resp *http.Response, u *url.URL) error {
	switch {
	case resp.StatusCode != http.StatusProxyAuthRequired:
		return errors.New("it does not connect to the server")
	case u.User == nil:
		return errors.New("it asks for credentials, " +
			"and the URL that the option Proxy gives has none")
	}
	return errors.New("it does not take the credentials of the URL that the option Proxy gives")
}
