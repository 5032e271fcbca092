package handshake

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/proxy"

	"github.com/wsstream/wsstream/internal/lasting"
)

// socks connects to addr through a SOCKS proxy.
//
// RFC 1928, RFC 1929.
func (c *Client) socks(ctx context.Context, u *url.URL, addr string) (net.Conn, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	var nc net.Conn // package proxy returns a wrapper, but the engine waits best for a bare socket
	dial := forward{dial: func(_ context.Context, network, addr string) (net.Conn, error) {
		var err error
		nc, err = c.NetDial(ctx, network, addr)
		return nc, err
	}}
	s, err := proxy.SOCKS5("tcp", hostPort(u), auth, dial)
	if err != nil {
		return nil, err
	}
	// Package proxy would set a deadline of ctx on the transport. It could pass there before ctx has
	// ended, and would look like an error of the proxy.
	undated := lasting.Undated(ctx)
	if _, err = s.(proxy.ContextDialer).DialContext(undated, "tcp", addr); err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok && strings.HasPrefix(e.Op, "socks") {
			err = cmp.Or(e.Err, err) // e names the addresses of the proxy and of the server again
		}
		return nil, err
	}
	return nc, nil
}

// A forward connects to a SOCKS proxy. Package proxy calls its DialContext, and never its Dial.
type forward struct {
	proxy.Dialer // nil
	dial         NetDial
}

// DialContext calls dial.
func (f forward) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f.dial(ctx, network, addr)
}
