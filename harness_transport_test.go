package wsstream_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// rawServer returns an accepted Conn and the client's socket, its handshake done, for tests and benchmarks that
// count what the library does: whoever serves the socket in raw bytes allocates nothing.
func rawServer(tb testing.TB) (*wsstream.Conn, net.Conn) { return rawServerWith(tb, nil) }

func rawServerWith(tb testing.TB, o *wsstream.AcceptOptions) (*wsstream.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	require.NoError(tb, err)
	near, err := l.Accept()
	require.NoError(tb, err)
	upgraded := make(chan error, 1)
	go func() { // ends with the handshake, or with near
		_, _, err := (ws.Dialer{}).Upgrade(far, &url.URL{Scheme: "ws", Host: l.Addr().String(), Path: "/"})
		upgraded <- err
	}()
	conn, err := wsstream.AcceptConn(context.Background(), near, o)
	require.NoError(tb, err)
	require.NoError(tb, <-upgraded)
	tb.Cleanup(func() {
		_ = far.Close()
		conn.CloseNow()
		<-conn.Closed().Done()
	})
	return conn, far
}

// maskedFrame returns a binary message of n bytes as a client sends it.
func maskedFrame(n int) []byte {
	f := ws.NewBinaryFrame(bytes.Repeat([]byte{'x'}, n))
	return ws.MustCompileFrame(ws.MaskFrameWith(f, [4]byte{0x5a, 0x17, 0xc3, 0x8e}))
}

// frameLen is the length of a server's frame with n bytes of payload.
func frameLen(n int) int { return ws.HeaderSize(ws.Header{Length: int64(n)}) + n }

// serveRaw runs f on a goroutine that ends with the socket nc.
func serveRaw(tb testing.TB, nc net.Conn, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	tb.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
}

// rawFlood writes frames until nc is closed, many at once.
func rawFlood(tb testing.TB, nc net.Conn, frame []byte) {
	many := bytes.Repeat(frame, max(1, (64<<10)/len(frame)))
	serveRaw(tb, nc, func() {
		for {
			if _, err := nc.Write(many); err != nil {
				return
			}
		}
	})
}

// rawEcho answers every n bytes with frame until nc is closed.
func rawEcho(tb testing.TB, nc net.Conn, n int, frame []byte) {
	buf := make([]byte, n)
	serveRaw(tb, nc, func() {
		for {
			if _, err := io.ReadFull(nc, buf); err != nil {
				return
			}
			if _, err := nc.Write(frame); err != nil {
				return
			}
		}
	})
}

// rawSwallow reads until nc is closed.
func rawSwallow(tb testing.TB, nc net.Conn) {
	buf := make([]byte, 256<<10)
	serveRaw(tb, nc, func() {
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
		}
	})
}

// tcpPipe returns the two ends of a loopback connection; limit bounds the kernel's buffers where it is not 0.
func tcpPipe(t *testing.T, limit int) (near, far *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dialled := make(chan net.Conn, 1)
	go func() {
		nc, _ := net.Dial("tcp", l.Addr().String())
		dialled <- nc
	}()
	nc, err := l.Accept()
	require.NoError(t, err)
	far, near = nc.(*net.TCPConn), (<-dialled).(*net.TCPConn)
	if limit > 0 {
		for _, nc := range []*net.TCPConn{near, far} {
			require.NoError(t, nc.SetReadBuffer(limit))
			require.NoError(t, nc.SetWriteBuffer(limit))
		}
	}
	return near, far
}

// tlsPipe is tcpPipe with TLS on top, its handshake done.
func tlsPipe(t *testing.T, limit int) (near, far net.Conn) {
	a, b := tcpPipe(t, limit)
	return tlsOver(t, a, b)
}

// tlsOver puts TLS on a transport, and makes its handshake.
func tlsOver(t *testing.T, a, b net.Conn) (near, far net.Conn) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"example.test"},
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)

	client := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "example.test"})
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	served := make(chan error, 1)
	go func() { served <- server.HandshakeContext(t.Context()) }()
	require.NoError(t, client.HandshakeContext(t.Context()))
	require.NoError(t, <-served)
	return client, server
}

func unixPipe(t *testing.T) (near, far net.Conn) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	near, err = net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	return near, far
}
