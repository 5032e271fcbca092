package wsstream_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestAcceptEndsWithItsContextWhileTheAnswerIsWritten(t *testing.T) {
	for what, request := range map[string][]byte{
		"101":       wstest.UpgradeRequest("/"),
		"a refusal": wstest.UpgradeRequest("/", "Upgrade: tea"),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(64) // less than an answer, and nobody reads it
				ctx, cancel := withCause(t)
				accepted := make(chan error, 1)
				go func() {
					_, err := wsstream.AcceptConn(ctx, near, nil)
					accepted <- err
				}()
				wstest.NewPeer(t, far, wstest.AsClient).SendRaw(request)
				<-time.After(time.Second)
				require.Empty(t, accepted)
				require.Positive(t, far.Buffered())
				cancel(errReason)
				start := time.Now()
				require.Equal(t, errReason, <-accepted)
				require.Zero(t, time.Since(start))
				require.True(t, near.Closed())
			})
		})
	}
}

func TestAcceptsContextDoesNothingAfterOpening(t *testing.T) {
	for range 20 {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			ctx, cancel := withCause(t)
			conns := make(chan *wsstream.Conn, 1)
			go func() {
				conn, _ := wsstream.AcceptConn(ctx, near, nil)
				cancel(errReason)
				conns <- conn
			}()
			peer := wstest.NewPeer(t, far, wstest.AsClient)
			peer.DialHandshake("/")
			conn := <-conns
			require.NotNil(t, conn)
			t.Cleanup(func() {
				conn.CloseNow()
				<-conn.Closed().Done()
			})
			peer.Send(wstest.Text("hello"))
			m, err := conn.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, wsstream.Text("hello"), m)
			require.NoError(t, conn.Writable().Write(patient(t), m))
			peer.Want("no deadline is left", wstest.Text("hello"))
		})
	}
}

func TestURLErrorShowsNoCredentials(t *testing.T) {
	for _, bad := range []string{"ws://eve:secret@example.test/#top", "ftp://eve@example.test/", "ws://eve:secret@example.test:65536/"} {
		t.Run(bad, func(t *testing.T) {
			conn := wsstream.Dial(t.Context(), bad, nil)
			err := notOpened(t, conn)
			require.Contains(t, conn.URL(), "://example.test")
			for _, shown := range []string{conn.URL(), err.Error()} {
				require.NotContains(t, shown, "eve")
				require.NotContains(t, shown, "secret")
			}
		})
	}
}

// A callingHandler cuts the connection that it logs for.
type callingHandler struct {
	slog.Handler
	conn   atomic.Pointer[wsstream.Conn]
	logged chan string
}

func (h *callingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *callingHandler) Handle(_ context.Context, r slog.Record) error {
	h.conn.Load().CloseNow()
	h.logged <- r.Message
	return nil
}

func TestLoggerMayCallTheConn(t *testing.T) {
	for what, c := range map[string]struct {
		answer func(p *wstest.Peer)
		want   []string
	}{
		"opened and closed": {func(p *wstest.Peer) { p.ServeHandshake() }, []string{"wsstream: opened", "wsstream: closed"}},
		"failed":            {func(p *wstest.Peer) { p.Close() }, []string{"wsstream: handshake failed"}},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				h := &callingHandler{logged: make(chan string, len(c.want))}
				conn := dialOver(t, near, &wsstream.DialOptions{Logger: slog.New(h)})
				h.conn.Store(conn)
				c.answer(wstest.NewPeer(t, far, wstest.AsServer))
				var got []string
				for range c.want {
					got = append(got, <-h.logged)
				}
				require.ElementsMatch(t, c.want, got)
			})
		})
	}
}

func TestHandshakeErrorHasTheServersAnswer(t *testing.T) {
	const start = "wsstream: handshake: not this way (status "
	long := strings.Repeat("a", 199) + "äöü"
	for _, tc := range []struct {
		name, kind, location string
		status               int
		body                 string
		want                 string
	}{
		{name: "no response", want: "wsstream: handshake: not this way"},
		{name: "no body", status: 502, want: start + "502 Bad Gateway)"},
		{name: "a status without a name", status: 499, want: start + "499)"},
		{name: "text", status: 401, kind: "text/plain; charset=utf-8", body: "  no\r\n\ttoken\n", want: start + `401 Unauthorized): "no token"`},
		{name: "JSON", status: 403, kind: "application/problem+json", body: `{"a": 1}`, want: start + `403 Forbidden): "{\"a\": 1}"`},
		{name: "no type", status: 403, body: "a", want: start + `403 Forbidden): "a"`},
		{name: "a type that is no text", status: 403, kind: "image/png", body: "a", want: start + "403 Forbidden)"},
		{name: "no text", status: 403, body: "\x00\x01", want: start + "403 Forbidden)"},
		{name: "no UTF-8", status: 403, kind: "text/html", body: "a\xff\xffbc", want: start + "403 Forbidden)"},
		{name: "spaces", status: 403, body: " \r\n ", want: start + "403 Forbidden)"},
		{name: "a long body", status: 403, body: long, want: start + `403 Forbidden): "` + long[:199] + `…"`},
		{name: "a body that was cut", status: 403, body: "aä"[:2], want: start + `403 Forbidden): "a"`},
		{name: "a redirect", status: 302, location: "https://example.org/login", want: start + `302 Found, which leads to "https://example.org/login")`},
		{name: "a redirect with text", status: 308, location: "/feed/", body: "moved", want: start + `308 Permanent Redirect, which leads to "/feed/"): "moved"`},
		{name: "no redirect", status: 201, location: "/a", want: start + "201 Created)"},
		{name: "a redirect with a password", status: 302, location: "https://eve:secret@example.org/a", want: start + `302 Found, which leads to "https://example.org/a")`},
		{name: "a redirect that is no URL", status: 302, location: "https://eve:secret/%zz@example.org/", want: start + `302 Found, which leads to "https://example.org/")`},
		{name: "a redirect without slashes", status: 302, location: "eve:secret@example.org", want: start + `302 Found, which leads to "example.org")`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &wsstream.HandshakeError{Status: tc.status, Body: []byte(tc.body), Err: errors.New("not this way"), Header: http.Header{
				"Content-Type": {tc.kind}, "Location": {tc.location},
			}}
			require.EqualError(t, e, tc.want)
		})
	}
}

func TestHandshakeErrorShowsTheBodysStartAndTheRedirect(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		peer.SendRaw([]byte("HTTP/1.1 301 Moved Permanently\r\nLocation: ws://example.test/new\r\nContent-Length: 5\r\n\r\nmoved"))
		require.ErrorContains(t, notOpened(t, conn), `(status 301 Moved Permanently, which leads to "ws://example.test/new"): "moved"`)
	})
}
