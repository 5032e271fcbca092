package handshake

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// socks connects to addr through a SOCKS proxy (RFC 1928, RFC 1929).
func (c *Client) socks(ctx context.Context, u *url.URL, addr string) (net.Conn, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	var nc net.Conn // what the package returns is a wrapper, and the engine knows what to do with a bare socket
	s, err := proxy.SOCKS5("tcp", hostPort(u), auth, forward(func(_ context.Context, network, addr string) (net.Conn, error) {
		var err error
		nc, err = c.NetDial(ctx, network, addr)
		return nc, err
	}))
	if err != nil {
		return nil, err
	}
	if _, err = s.(proxy.ContextDialer).DialContext(timeless{ctx}, "tcp", addr); err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok && strings.HasPrefix(e.Op, "socks") {
			err = cmp.Or(e.Err, err) // it names the two addresses, which stand in the ProxyFailure and in Dial's URL
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
