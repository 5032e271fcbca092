// Package pipes gives tests both ends of a transport: TCP and TLS over loopback, and unix sockets.
package pipes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TCP returns both ends of a loopback connection. If limit is not 0, it limits the kernel's
// buffers, in bytes. The caller closes both ends.
func TCP(tb testing.TB, limit int) (near, far *net.TCPConn) {
	tb.Helper()
	a, b := dialled(tb, "tcp", "127.0.0.1:0")
	near, far = a.(*net.TCPConn), b.(*net.TCPConn)
	if limit > 0 {
		for _, nc := range []*net.TCPConn{near, far} {
			require.NoError(tb, nc.SetReadBuffer(limit))
			require.NoError(tb, nc.SetWriteBuffer(limit))
		}
	}
	return near, far
}

// Unix returns both ends of a connection over a unix socket. The caller closes both ends.
func Unix(tb testing.TB) (near, far net.Conn) {
	tb.Helper()
	return dialled(tb, "unix", filepath.Join(tb.TempDir(), "s"))
}

// dialled returns the dialled end of a connection, and the accepted end.
func dialled(tb testing.TB, network, addr string) (near, far net.Conn) {
	tb.Helper()
	l, err := net.Listen(network, addr)
	require.NoError(tb, err)
	defer func() { _ = l.Close() }()
	near, err = net.Dial(network, l.Addr().String()) // the backlog takes it
	require.NoError(tb, err)
	far, err = l.Accept()
	require.NoError(tb, err)
	return near, far
}

// TLS is TCP with TLS on top, its handshake done: near is the client's end.
func TLS(tb testing.TB, limit int) (near, far net.Conn) {
	tb.Helper()
	a, b := TCP(tb, limit)
	return OverTLS(tb, a, b)
}

// OverTLS puts TLS on a transport, whose end a becomes the client's. The handshake is done, and
// both ends are closed when the test ends.
func OverTLS(tb testing.TB, a, b net.Conn) (near, far net.Conn) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"example.test"},
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(tb, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)

	client := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "example.test"})
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{own}})
	tb.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	served := make(chan error, 1)
	go func() { served <- server.HandshakeContext(tb.Context()) }() // ends with the handshake
	require.NoError(tb, client.HandshakeContext(tb.Context()))
	require.NoError(tb, <-served)
	return client, server
}
