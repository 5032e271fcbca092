package wsstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// What the peer says before the request was written whole.

const tooLarge = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry"

// large are options whose request no kernel takes whole.
func large() *wsstream.DialOptions {
	return &wsstream.DialOptions{Header: http.Header{"X-Large": {strings.Repeat("x", 8<<20)}}}
}

func TestDialTellsARefusalOfAServerThatReadsNoMore(t *testing.T) {
	for name, hangsUp := range map[string]bool{"it stays": false, "it hangs up": true} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, large())
				_, err := io.ReadFull(far, make([]byte, 100))
				require.NoError(t, err)
				_, err = io.WriteString(far, tooLarge)
				require.NoError(t, err)
				if hangsUp {
					require.NoError(t, far.Close()) // with a reset, since so much is unread
				}
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, notOpened(t, conn), &failed)
				require.Equal(t, 431, failed.Status)
				require.Equal(t, "sorry", string(failed.Body))
				far.Close()
			})
		})
	}
}

// serveTCP answers each connection as f does, and returns the address. It ends with the test.
func serveTCP(t *testing.T, f func(nc net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			f(nc)
			nc.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestDialTellsAnEarlyRefusalInSpiteOfAWriteError(t *testing.T) {
	refuse := func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, 1))
		_, _ = io.WriteString(nc, tooLarge)
	}
	for name, tc := range map[string]struct {
		serve func(nc net.Conn)
		o     wsstream.DialOptions
	}{
		"a large request":             {refuse, *large()},
		"one that the kernel takes":   {refuse, wsstream.DialOptions{Header: http.Header{"X-Large": {strings.Repeat("x", 64<<10)}}}},
		"a small one":                 {refuse, wsstream.DialOptions{}},
		"nothing of it is read":       {func(nc net.Conn) { _, _ = io.WriteString(nc, tooLarge) }, *large()},
		"nothing of a small one is":   {func(nc net.Conn) { _, _ = io.WriteString(nc, tooLarge) }, wsstream.DialOptions{}},
		"a header in several packets": {func(nc net.Conn) { writeSlowly(nc, tooLarge) }, *large()},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serveTCP(t, tc.serve)
			for range 20 {
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, notOpened(t, wsstream.Dial(t.Context(), "ws://"+addr, &tc.o)), &failed)
				require.Equal(t, 431, failed.Status, "%v", failed)
			}
		})
	}
}

func writeSlowly(w io.Writer, s string) {
	for len(s) > 0 {
		n, _ := io.WriteString(w, s[:min(len(s), 10)])
		s = s[n:]
	}
}

func TestDialTellsAnEarlyRefusalOfAProxy(t *testing.T) {
	addr := serveTCP(t, func(nc net.Conn) {
		_, _ = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	for range 20 {
		no := refusedBy(t, wsstream.Dial(t.Context(), "ws://example.test", through("http://eve:secret"+strings.Repeat("x", 1<<20)+"@"+addr)), "http://"+addr)
		require.Equal(t, 400, no.Status, "%v", no)
	}
}

// In TLS 1.3 a client has done its handshake before the server has seen that there is no certificate.
func TestDialTellsTheAlertOfAServerThatWantsACertificate(t *testing.T) {
	srv := greeter(t, true, greet)
	config := &tls.Config{RootCAs: rootsOf(srv), ServerName: "example.com"}
	server := srv.TLS.Clone()
	server.ClientAuth = tls.RequireAndVerifyClientCert
	for name, o := range map[string]*wsstream.DialOptions{"a small request": {}, "a large one": large()} {
		t.Run(name, func(t *testing.T) {
			addr := serveTCP(t, func(nc net.Conn) {
				_ = tls.Server(nc, server).HandshakeContext(t.Context())
			})
			for range 20 {
				direct := *o
				direct.TLSConfig = config
				err := notOpened(t, wsstream.Dial(t.Context(), "wss://"+addr, &direct))
				require.ErrorContains(t, err, "certificate required")

				proxied := through("https://" + addr)
				proxied.TLSConfig = &tls.Config{RootCAs: rootsOf(srv)}
				no := refusedBy(t, wsstream.Dial(t.Context(), "ws://example.test", proxied), "https://"+addr)
				require.ErrorContains(t, no, "certificate required")
			}
		})
	}
}

// A numbConn takes no bytes, and never has any.
type numbConn struct{ *memnet.Conn }

var errNumb = errors.New("not a byte")

func (numbConn) Write([]byte) (int, error) { return 0, errNumb }

func TestDialTellsAWriteErrorIfNoAnswerComes(t *testing.T) {
	for name, o := range map[string]*wsstream.DialOptions{"direct": {}, "through a proxy": through("http://proxy.test")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				defer far.Close()
				start := time.Now()
				require.ErrorIs(t, notOpened(t, dialOver(t, numbConn{near}, o)), errNumb)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
				require.True(t, near.Closed())
			})
		})
	}
}

func TestDialIsNotDoneBeforeItsRequestIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(1000)
		conn := dialOver(t, near, &wsstream.DialOptions{Header: http.Header{"Z": {strings.Repeat("x", 5000)}}})
		br := bufio.NewReaderSize(far, 16)
		var key string
		for key == "" {
			line, err := br.ReadString('\n')
			require.NoError(t, err)
			if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Sec-WebSocket-Key") {
				key = strings.TrimSpace(value)
			}
		}
		req := &http.Request{Header: http.Header{"Sec-Websocket-Key": {key}}}
		_, err := far.Write(wstest.SwitchingProtocols(req))
		require.NoError(t, err)
		synctest.Wait()
		_, _, settled := conn.Opened().Peek()
		require.False(t, settled)
		_, err = io.ReadFull(br, make([]byte, 5000))
		require.NoError(t, err)
		_, err = conn.Opened().Wait(patient(t))
		require.NoError(t, err)
	})
}

func TestDialEndsWithItsContextWhileTheRequestIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(10)
		defer far.Close()
		ctx, cancel := withCause(t)
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		synctest.Wait()
		cancel(errReason)
		require.Equal(t, errReason, notOpened(t, conn))
		synctest.Wait()
		require.True(t, near.Closed())
	})
}
