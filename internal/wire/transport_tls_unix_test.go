//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd) && (amd64 || arm64)

package wire

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificates returns those of a test server.
func certificates(t *testing.T) []tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.TLS.Certificates
}

// tlsPair returns the two ends of TLS over loopback. If limit is not 0, it is the size of the send
// buffer of near.
func tlsPair(t *testing.T, limit int) (near, far *tls.Conn) {
	certs := certificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	nc, err = l.Accept()
	require.NoError(t, err)
	if limit > 0 {
		require.NoError(t, nc.(*net.TCPConn).SetWriteBuffer(limit))
	}
	near = tls.Server(nc, &tls.Config{Certificates: certs})
	shook := make(chan error, 1)
	go func() { shook <- far.Handshake() }()
	require.NoError(t, near.Handshake())
	require.NoError(t, <-shook)
	t.Cleanup(func() {
		_ = nc.Close()
		_ = far.NetConn().Close()
	})
	return near, far
}

// A holder keeps what TLS writes to it, once hold is set.
type holder struct {
	net.Conn
	hold bool
	held []byte
}

func (h *holder) Write(b []byte) (int, error) {
	if !h.hold {
		return h.Conn.Write(b)
	}
	h.held = append(h.held, b...)
	return len(b), nil
}

// tlsInputPair returns the input of TLS over TCP, and its peer, whose records the test sends.
func tlsInputPair(t *testing.T) (in *tlsInput, peer *tls.Conn, wire *holder) {
	near, far := tcpPair(t)
	certs := certificates(t)
	wire = &holder{Conn: far}
	peer = tls.Client(wire, &tls.Config{InsecureSkipVerify: true})
	server := tls.Server(near, &tls.Config{Certificates: certs})
	shook := make(chan error, 1)
	go func() { shook <- peer.Handshake() }()
	require.NoError(t, server.Handshake())
	require.NoError(t, <-shook)
	wire.hold = true
	c := &Conn{nc: server}
	in, ok := newTLSInput(c, false).(*tlsInput)
	require.True(t, ok)
	return in, peer, wire
}

// readsOf collects what reads that do not wait return until there is nothing more.
func readsOf(t *testing.T, in *tlsInput) (reads []string) {
	for {
		b := make([]byte, 64)
		n, err := in.read(b, false)
		require.NoError(t, err)
		if n == 0 {
			return reads
		}
		reads = append(reads, string(b[:n]))
	}
}

// send sends n bytes of what is held, and waits until it is in the kernel of the other end.
func (h *holder) send(t *testing.T, in *tlsInput, n int) {
	require.NoError(t, h.Conn.SetWriteDeadline(time.Time{})) // CloseWrite has set one
	_, err := h.Conn.Write(h.held[:n])
	require.NoError(t, err)
	h.held = slices.Clone(h.held[n:])
	for in.ready = false; !in.ready; {
		require.NoError(t, in.raw.Control(in.readF))
	}
}

func TestTransportTLSReadThatDoesNotWaitKeepsHalfARecord(t *testing.T) {
	in, peer, wire := tlsInputPair(t)
	require.Empty(t, readsOf(t, in))
	_, err := peer.Write([]byte("whole"))
	require.NoError(t, err)
	for len(wire.held) > 1 {
		wire.send(t, in, 1)
		require.Empty(t, readsOf(t, in))
	}
	wire.send(t, in, 1)
	require.Equal(t, []string{"whole"}, readsOf(t, in))
}

func TestTransportTLSReadsTheRecordsBehindOneReadiness(t *testing.T) {
	in, peer, wire := tlsInputPair(t)
	for _, text := range []string{"one", "two", "three"} {
		_, err := peer.Write([]byte(text))
		require.NoError(t, err)
	}
	wire.send(t, in, len(wire.held))
	require.Equal(t, []string{"one", "two", "three"}, readsOf(t, in))
}

func TestTransportTLSReadsTheEndBehindRecords(t *testing.T) {
	in, peer, wire := tlsInputPair(t)
	_, err := peer.Write([]byte("last"))
	require.NoError(t, err)
	require.NoError(t, peer.CloseWrite())
	wire.send(t, in, len(wire.held))
	b := make([]byte, 64)
	n, err := in.read(b, false)
	for err == nil {
		require.Equal(t, "last", string(b[:n]))
		n, err = in.read(b, false)
	}
	require.Equal(t, io.EOF, err)
	require.Zero(t, n)
}

func TestTransportTLSReadThatWaitsHasNoDeadlineOfOneThatDoesNot(t *testing.T) {
	in, peer, wire := tlsInputPair(t)
	require.Empty(t, readsOf(t, in))
	_, err := peer.Write([]byte("late"))
	require.NoError(t, err)
	sent := time.AfterFunc(3*recordWait, func() { _, _ = wire.Conn.Write(wire.held) })
	defer sent.Stop()
	b := make([]byte, 64)
	n, err := in.read(b, true)
	require.NoError(t, err)
	require.Equal(t, "late", string(b[:n]))
}

// A server may ask a client for another handshake before TLS 1.3, and a timeout makes that fail.
func TestTransportTLSOfAClientIsWatchedFromTLS13(t *testing.T) {
	near, far := tlsPair(t, 0)
	require.NotNil(t, newTLSInput(&Conn{nc: near}, false))
	require.NotNil(t, newTLSInput(&Conn{nc: far}, true))
	require.Nil(t, newTLSInput(&Conn{nc: tls.Client(far.NetConn(), &tls.Config{})}, true))
}

// A type around a socket must not be bypassed.
func TestTransportTLSOverAWrapperIsNotWatched(t *testing.T) {
	_, peer, _ := tlsInputPair(t)
	require.Nil(t, newTLSInput(&Conn{nc: peer}, true))
}
