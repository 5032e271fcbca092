package handshake

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
)

// tlsConfig returns a configuration for a handshake over HTTP/1.1. It offers no HTTP/2, so that the
// server does not choose it.
func (c *Client) tlsConfig() *tls.Config {
	config := &tls.Config{}
	if c.TLS != nil {
		config = c.TLS.Clone()
	}
	isH2 := func(p string) bool { return p == "h2" }
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), isH2)
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"}
	}
	return config
}

// secure makes a TLS connection on nc. It closes nc if it cannot.
func secure(ctx context.Context, nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return tc, nil
}
