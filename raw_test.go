package wsstream_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"testing"

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
