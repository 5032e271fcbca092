package wsstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// A ProxyError is a proxy that let no handshake through: it could not be reached, it refused, or it does not speak what
// its URL says. Dial puts it into a *HandshakeError, whose Status is the server's own and therefore 0.
type ProxyError struct {
	Proxy  string      // its URL, without anything that stands before an @
	Status int         // of its HTTP response; 0 if there was none, as from a SOCKS proxy
	Header http.Header // of its HTTP response; nil if there was none
	Body   []byte      // at most the first 1 KiB of the response's body: what came within 100 ms
	Err    error       // what was wrong
}

// Error names the proxy, and says what was wrong, and the status of its response if there was one.
func (e *ProxyError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("proxy %s: %v", e.Proxy, e.Err)
	}
	return fmt.Sprintf("proxy %s: %v (status %d %s)", e.Proxy, e.Err, e.Status, http.StatusText(e.Status))
}

// Unwrap returns Err.
func (e *ProxyError) Unwrap() error { return e.Err }

// reach connects to addr, through a proxy if there is one.
func (d *dialer) reach(ctx context.Context, addr string) (net.Conn, error) {
	if d.proxy == nil {
		return d.netDial(ctx, "tcp", addr)
	}
	r := &http.Request{Method: http.MethodGet, URL: d.webURL(d.url.Host), Host: d.host, Header: d.header.Clone()}
	u, err := d.proxy(r.WithContext(ctx))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the option Proxy: %w", withoutCredentials(err))
	case u == nil:
		return d.netDial(ctx, "tcp", addr)
	}
	nc, err := d.through(ctx, u, addr)
	if err == nil {
		return nc, nil
	}
	e, ok := errors.AsType[*ProxyError](err)
	if !ok || e.Proxy != "" { // that of a NetDial is not ours
		e = &ProxyError{Err: err}
	}
	shown := *u
	shown.User = nil
	e.Proxy = clean(shown.String())
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
		return nil, errors.New("the scheme that the option Proxy gives is not http, https, socks5 or socks5h")
	}
	own := *u
	own.Host = host
	return &own, nil
}

// through connects to addr through the proxy at u.
func (d *dialer) through(ctx context.Context, u *url.URL, addr string) (net.Conn, error) {
	u, err := checkProxy(u)
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(u.Scheme, "socks5"):
		return d.socks(ctx, u, addr)
	}
	nc, err := d.netDial(ctx, "tcp", hostPort(u))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		config := d.tlsConfig()
		config.ServerName = u.Hostname() // that of the options is the server's
		tc, err := secure(ctx, nc, config)
		if err != nil {
			return nil, err
		}
		nc = &secured{tc, nc}
	}
	if err := until(ctx, nc, func() error { return d.ask(nc, u, addr) }); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return nc, nil
}

// A secured is a TLS connection to a proxy, which the server's bytes go through. It is closed without a word, as
// every cut is, whether TLS is on top of it or not.
type secured struct {
	net.Conn
	bare net.Conn
}

func (s *secured) Close() error { return s.bare.Close() }

// ask asks an HTTP proxy to connect to addr (RFC 9110, section 9.3.6).
func (d *dialer) ask(nc net.Conn, u *url.URL, addr string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{"User-Agent": {""}}}
	if u.User != nil {
		r.Header.Set("Proxy-Authorization", basic(u.User))
	}
	br := newHandshakeReader(nc, d.maxHandshake)
	resp, written, err := exchange(nc, br, r)
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 != 2:
		body := firstKiB(nc, resp)
		return &ProxyError{Status: resp.StatusCode, Header: resp.Header, Body: body, Err: reason(resp, u)}
	case br.Buffered() > 0:
		return fmt.Errorf("%d bytes came behind its answer, before the server was asked anything", br.Buffered())
	}
	return <-written
}

// reason says why a proxy refused, as far as it can be known.
func reason(resp *http.Response, u *url.URL) error {
	switch {
	case resp.StatusCode != http.StatusProxyAuthRequired:
		return errors.New("it does not connect to the server")
	case u.User == nil:
		return errors.New("it asks for credentials, and the URL that the option Proxy gives has none")
	}
	return errors.New("it does not take the credentials of the URL that the option Proxy gives")
}

// socks connects to addr through a SOCKS proxy (RFC 1928, RFC 1929).
func (d *dialer) socks(ctx context.Context, u *url.URL, addr string) (net.Conn, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	var nc net.Conn // what the package returns is a wrapper, and the engine knows what to do with a bare socket
	s, err := proxy.SOCKS5("tcp", hostPort(u), auth, forward(func(_ context.Context, network, addr string) (net.Conn, error) {
		var err error
		nc, err = d.netDial(ctx, network, addr)
		return nc, err
	}))
	if err != nil {
		return nil, err
	}
	if _, err = s.(proxy.ContextDialer).DialContext(timeless{ctx}, "tcp", addr); err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok && strings.HasPrefix(e.Op, "socks") {
			err = cmp.Or(e.Err, err) // it names the two addresses, which stand in the ProxyError and in Dial's URL
		}
		return nil, err
	}
	return nc, nil
}

// A timeless context ends when another does, and does not say when that will be: its deadline would be put on the
// transport, where it can pass before the context has ended, and be taken for an error of the proxy's.
type timeless struct{ context.Context }

// Deadline returns none.
func (timeless) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// A forward connects to a SOCKS proxy.
type forward func(ctx context.Context, network, addr string) (net.Conn, error)

// DialContext calls f.
func (f forward) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

// Dial makes f a proxy.Dialer. DialContext is what is called.
func (f forward) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}
