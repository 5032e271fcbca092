package wsstream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
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

func TestAcceptTakesUnusualRequestsThatAreAllowed(t *testing.T) {
	for name, extra := range map[string][]string{
		"as browsers do": {
			"Connection: keep-alive, Upgrade",
			"Origin: http://example.org",
			"Sec-WebSocket-Extensions: permessage-deflate",
		},
		"other cases":              {"connection: UPGRADE", "upgrade: WebSocket"},
		"two Connection fields":    {"Connection: keep-alive", "Connection: Upgrade"},
		"several Upgrades":         {"Upgrade: h2c, websocket"},
		"no body, said":            {"Content-Length: 0"},
		"a subprotocol not spoken": {"Sec-WebSocket-Protocol: x"},
		"a key of any sixteen":     {"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="},
		// Section 4.1: its last bits are in use by nothing.
		"RFC 6455's example key":    {"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="},
		"an Origin that is nothing": {"Origin: "},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryService(t, nil, func(t *testing.T, s service) {
				res, err := s.ask(t, wstest.UpgradeRequest("/", extra...))
				require.NoError(t, err)
				require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
				require.Empty(t, res.Header.Values("Sec-WebSocket-Extensions"))
				require.Empty(t, res.Header.Values("Sec-WebSocket-Protocol"))
			})
		})
	}
}

func TestAcceptTakesTheClientsFirstSubprotocolThatItSpeaks(t *testing.T) {
	for _, tc := range []struct{ offered, want string }{
		{"a, b", "a"},
		{"b, a", "b"},
		{"x,b", "b"},
		{"A, b", "b"},
		{"x\r\nSec-WebSocket-Protocol: a", "a"},
		{"x", ""},
	} {
		t.Run(tc.offered, func(t *testing.T) {
			onEveryService(
				t,
				&wsstream.AcceptOptions{Subprotocols: []string{"a", "b"}},
				func(t *testing.T, s service) {
					res, err := s.ask(t, wstest.UpgradeRequest("/", "Sec-WebSocket-Protocol: "+tc.offered))
					require.NoError(t, err)
					require.Equal(t, tc.want, strings.Join(res.Header.Values("Sec-WebSocket-Protocol"), ";"))
				},
			)
		})
	}
}

func TestAcceptReadsOfferedSubprotocols(t *testing.T) {
	for _, tc := range []struct {
		lines  string // all that the client sends of the field
		spoken []string
		chosen string
	}{
		{"", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: a", nil, ""},
		{"Sec-WebSocket-Protocol: a", []string{"a"}, "a"},
		{"Sec-WebSocket-Protocol: a, b", []string{"b", "a"}, "a"}, // the client's preference
		{"Sec-WebSocket-Protocol: x, b, a", []string{"a", "b"}, "b"},
		{"Sec-WebSocket-Protocol: x, y", []string{"a", "b"}, ""},
		{"Sec-WebSocket-Protocol: A", []string{"a"}, ""}, // by case
		{"Sec-WebSocket-Protocol: A, a", []string{"a"}, "a"},
		{"Sec-WebSocket-Protocol: a,b", []string{"b"}, "b"},
		{"Sec-WebSocket-Protocol: \t a \t,\t b \t", []string{"b"}, "b"},
		{"Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: a", []string{"a"}, "a"},
		{"sec-websocket-protocol: a", []string{"a"}, "a"},
		{
			"Sec-WebSocket-Protocol: graphql-transport-ws",
			[]string{"graphql-transport-ws"},
			"graphql-transport-ws",
		},
		{"Sec-WebSocket-Protocol: v1.example.org+json!#$%&'*^_`|~", []string{"v1.example.org+json!#$%&'*^_`|~"}, "v1.example.org+json!#$%&'*^_`|~"},
		{"Sec-WebSocket-Protocol: ", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: ,", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: a,", []string{"a"}, "a"},
		{"Sec-WebSocket-Protocol: foo, , chat", []string{"chat"}, "chat"},
		{"Sec-WebSocket-Protocol: a,,b", []string{"b"}, "b"},
		{"Sec-WebSocket-Protocol: a, a", []string{"a"}, "a"},
		{"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a", []string{"a"}, "a"},
		{"Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0", []string{"ZWS2.0"}, "ZWS2.0"}, // libzmq's
		{"Sec-WebSocket-Protocol: a b, a", []string{"a"}, "a"},
		{"Sec-WebSocket-Protocol: a b", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: \"a\"", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: a;q=1", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: a/b", []string{"a"}, ""},
		{"Sec-WebSocket-Protocol: \u00e4", []string{"a"}, ""},
	} {
		t.Run(tc.lines, func(t *testing.T) {
			onEveryService(
				t,
				&wsstream.AcceptOptions{Subprotocols: tc.spoken},
				func(t *testing.T, s service) {
					raw := wstest.UpgradeRequest("/")
					if tc.lines != "" {
						raw = bytes.Replace(raw, []byte("Upgrade: websocket\r\n"),
							[]byte("Upgrade: websocket\r\n"+tc.lines+"\r\n"), 1)
					}
					res, err := s.ask(t, raw)
					require.NoError(t, err)
					require.Equal(t, 101, res.StatusCode)
					require.Equal(t, tc.chosen, res.Header.Get("Sec-WebSocket-Protocol"))
				},
			)
		})
	}
}

func TestAcceptConnEndsWithItsContext(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		ctx, cancel := withCause(t)
		accepted := make(chan error, 1)
		go func() {
			_, err := wsstream.AcceptConn(ctx, near, nil)
			accepted <- err
		}()
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		peer.SendRaw(wstest.UpgradeRequest("/")[:30])
		cancel(errReason)
		require.Equal(t, errReason, <-accepted)
		wantDropped(t, peer)
	})
}

func TestAcceptEndsWithItsContextWhileTheAnswerIsWritten(t *testing.T) {
	for what, request := range map[string][]byte{
		"101":       wstest.UpgradeRequest("/"),
		"a refusal": wstest.UpgradeRequest("/", "Upgrade: tea"),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(64) // less than an answer, and the client reads nothing
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

func TestAcceptKeepsFramesThatComeWithTheRequest(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		peer.SendRaw(append(wstest.UpgradeRequest("/"), peer.Encode(wstest.Text("early"))...))
		conn, err := wsstream.AcceptConn(patient(t), near, nil)
		require.NoError(t, err)
		defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
		m, err := conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, "early", string(m.Data))
	})
}

func TestAcceptAnswers500IfItCannotHijack(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection":            "Upgrade",
		"Upgrade":               "websocket",
		"Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key":     "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	_, err := wsstream.Accept(w, r, nil)
	wantRefusal(t, w.Result(), err, 500, "cannot be hijacked")
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A wrapper is what middleware puts around a ResponseWriter.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestAcceptHijacksThroughUnwrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(wrapper{wrapper{w}}, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			_ = conn.Writable().Write(t.Context(), wsstream.Text("hello"))
			_ = conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000})
		}))
		m, err := srv.Dial("/", nil).Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
	})
}

func TestAcceptSendsWhatMiddlewareHasSet(t *testing.T) {
	h := http.Header{
		"Set-Cookie":                  {"session=1", "theme=dark"},
		"Access-Control-Allow-Origin": {"https://app.test"},
		"x-as-written":                {"1"},
		"X-Split":                     {"a\r\nX-Smuggled: b"},
		"Bad Name":                    {"1"},
		"Trailer:X-Late":              {"1"},
		"X-Named":                     {"1"},
		"X-Option":                    {"middleware"},

		"Connection":               {"close, x-named"},
		"Keep-Alive":               {"timeout=5"},
		"Proxy-Connection":         {"keep-alive"},
		"Proxy-Authenticate":       {"Basic"},
		"Upgrade":                  {"h2c"},
		"Te":                       {"trailers"},
		"Trailer":                  {"X-Late"},
		"Transfer-Encoding":        {"chunked"},
		"Content-Length":           {"5"},
		"Sec-Websocket-Accept":     {"x"},
		"Sec-WebSocket-Protocol":   {"x"},
		"sec-websocket-extensions": {"x"},
	}
	synctest.Test(t, func(t *testing.T) {
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), h)
			before := w.Header().Clone()
			o := &wsstream.AcceptOptions{
				Header: http.Header{"X-Option": {"option"}, "Set-Cookie": {"by=option"}},
			}
			if conn, err := wsstream.Accept(w, r, o); err == nil {
				conn.CloseNow()
			}
			if !maps.EqualFunc(before, w.Header(), slices.Equal) {
				t.Errorf("the header has become %v", w.Header())
			}
		}))
		nc, err := srv.Listener.Dial(t.Context())
		require.NoError(t, err)
		peer := wstest.NewPeer(t, nc, wstest.AsClient)
		peer.SendRaw(wstest.UpgradeRequest("/"))
		res := peer.ReadResponse()
		require.Equal(t, 101, res.StatusCode)
		require.Equal(t, http.Header{
			"Upgrade":                     {"websocket"},
			"Connection":                  {"Upgrade"},
			"Sec-Websocket-Accept":        {wstest.AcceptKey("dGhlIHNhbXBsZSBub25jZQ==")},
			"Set-Cookie":                  {"session=1", "theme=dark", "by=option"},
			"Access-Control-Allow-Origin": {"https://app.test"},
			"X-As-Written":                {"1"},
			"X-Split":                     {"a  X-Smuggled: b"},
			"X-Option":                    {"middleware", "option"},
		}, res.Header)
	})
}

// A closedWriter can neither be hijacked nor unwrapped; an assertingWriter says that it can.
type (
	closedWriter    struct{ http.ResponseWriter }
	assertingWriter struct{ http.ResponseWriter }
)

func (w assertingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("not this one")
}

func TestAcceptNamesAWrapperThatHidesTheHijacker(t *testing.T) {
	for name, tc := range map[string]struct {
		wrap func(w http.ResponseWriter) http.ResponseWriter
		says string
	}{
		"the outermost": {func(w http.ResponseWriter) http.ResponseWriter { return closedWriter{w} }, "wsstream_test.closedWriter has neither Hijack nor Unwrap"},
		"one behind it": {func(w http.ResponseWriter) http.ResponseWriter { return wrapper{&closedWriter{w}} }, "*wsstream_test.closedWriter has neither Hijack nor Unwrap"},
		"one that cannot": {
			func(w http.ResponseWriter) http.ResponseWriter { return wrapper{assertingWriter{w}} },
			"wsstream_test.assertingWriter: not this one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				accepted := make(chan error, 1)
				srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, err := wsstream.Accept(tc.wrap(w), r, nil)
					accepted <- err
				}))
				nc, err := srv.Listener.Dial(t.Context())
				require.NoError(t, err)
				peer := wstest.NewPeer(t, nc, wstest.AsClient)
				peer.SendRaw(wstest.UpgradeRequest("/"))
				res := peer.ReadResponse()
				wantRefusal(t, res, <-accepted, 500, "cannot be hijacked: "+tc.says)
			})
		})
	}
}

func TestAcceptNamesTheWriterOfATimeoutHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepted := make(chan error, 1)
		srv := wstest.NewServer(
			t,
			http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := wsstream.Accept(w, r, nil)
				accepted <- err
			}), time.Minute, ""),
		)
		nc, err := srv.Listener.Dial(t.Context())
		require.NoError(t, err)
		peer := wstest.NewPeer(t, nc, wstest.AsClient)
		peer.SendRaw(wstest.UpgradeRequest("/"))
		wantRefusal(t, peer.ReadResponse(), <-accepted, 500,
			"cannot be hijacked: *http.timeoutWriter has neither Hijack nor Unwrap")
	})
}

func TestAcceptSendsItsHeaderWithTheResponse(t *testing.T) {
	onEveryService(
		t,
		&wsstream.AcceptOptions{Header: http.Header{"Set-Cookie": {"a=b", "c=d"}}},
		func(t *testing.T, s service) {
			res, err := s.ask(t, wstest.UpgradeRequest("/"))
			require.NoError(t, err)
			require.Equal(t, []string{"a=b", "c=d"}, res.Header.Values("Set-Cookie"))
		},
	)
}

func TestOriginPatterns(t *testing.T) {
	for _, tc := range []struct {
		origin, host string
		patterns     []string
		in           bool
	}{
		{"https://example.org", "example.org", nil, true},
		{"http://example.org", "example.org", nil, true},
		{"https://EXAMPLE.org", "example.ORG", nil, true},
		{"http://localhost:8080", "localhost:8080", nil, true},
		{"http://[::1]:8080", "[::1]:8080", nil, true},
		{"http://localhost:8081", "localhost:8080", nil, false},
		{"https://www.example.org", "example.org", nil, false},
		{"https://example.org.evil.test", "example.org", nil, false},
		{"https://evil.test/example.org", "example.org", nil, false},
		{"https://evil.test", "example.org", nil, false},
		{"null", "example.org", nil, false},
		{"example.org", "example.org", nil, false},
		{"%zz", "example.org", nil, false},
		{"https://app.test", "example.org", []string{"app.test"}, true},
		{"https://APP.test", "example.org", []string{"App.Test"}, true},
		{"https://example.org", "example.org", []string{"app.test"}, true},
		{"https://app.test:444", "example.org", []string{"app.test"}, false},
		{"https://app.test:444", "example.org", []string{"app.test:*"}, true},
		{"https://app.test", "example.org", []string{"app.test:*"}, false},
		{"https://a.app.test", "example.org", []string{"app.test"}, false},
		{"https://a.app.test", "example.org", []string{"*.app.test"}, true},
		{"https://a.b.app.test", "example.org", []string{"*.app.test"}, true},
		{"https://app.test", "example.org", []string{"*.app.test"}, false},
		{"https://evilapp.test", "example.org", []string{"*.app.test"}, false},
		{"https://app.test.evil.test", "example.org", []string{"*.app.test"}, false},
		{"https://evil.test/.app.test", "example.org", []string{"*.app.test"}, false},
		{"https://app.test", "example.org", []string{"https://app.test"}, true},
		{"http://app.test", "example.org", []string{"https://app.test"}, false},
		{"https://a.app.test", "example.org", []string{"https://*.app.test"}, true},
		{"https://evil.test/a.app.test", "example.org", []string{"https://*.app.test"}, false},
		{"https://evil.test:x.app.test", "example.org", []string{"https://*.app.test"}, false},
		{"https://?.app.test", "example.org", []string{"https://*.app.test"}, false},
		{"https://b.test", "example.org", []string{"a.test", "b.test"}, true},
		{"https://c.test", "example.org", []string{"a.test", "b.test"}, false},
		{"https://a1.test", "example.org", []string{"a[0-9].test"}, true},
		{"null", "example.org", []string{"null"}, true},
		{"null", "example.org", []string{"*"}, true},
		{"https://evil.test", "example.org", []string{"*"}, true},
		{"chrome-extension://abc", "example.org", []string{"chrome-extension://*"}, true},
		{"chrome-extension://abc", "example.org", nil, false},
		{"https://example.org", "example.org:443", nil, true}, // as proxies write it
		{"http://example.org", "example.org:80", nil, true},
		{"https://example.org", "example.org:80", nil, false},
		{"https://example.org", "example.org:8443", nil, false},
		{"https://example.org:443", "example.org:443", nil, true},
		{"https://example.org:8443", "example.org", nil, false},
		{"https://app.test@evil.test", "example.org", []string{"https://app.test*"}, false},
		{"https://app.test@evil.test", "app.test", nil, false},
		{"http://[::1]:3000", "example.org", []string{"[::1]:3000"}, true},
		{"http://[::1]:3001", "example.org", []string{"[::1]:3000"}, false},
		{"http://[::1]:80", "example.org", []string{"[::1]:*"}, true},
		{"http://[::1]:3000", "example.org", []string{"[::1]:*"}, true},
		{"http://1:80", "example.org", []string{"[::1]:*"}, false},
		{"http://::80", "example.org", []string{"[::1]:*"}, false},
		{"https://[::1]", "example.org", []string{"https://[::1]"}, true},
		{"https://[::1]", "example.org", []string{"https://[::1]:443"}, true},
		{"https://[::1]:8443", "example.org", []string{"https://[::1]"}, false},
		{"https://[2001:db8::1]", "example.org", []string{"[2001:DB8:0:0::1]"}, true},
		{"https://[2001:db8::5]", "example.org", []string{"[2001:db8::*]"}, true},
		{"https://[2001:db9::5]", "example.org", []string{"[2001:db8::*]"}, false},
		{"http://[::ffff:102:304]", "example.org", []string{"[::ffff:102:304]"}, true},
		{"https://a.test", "example.org", []string{"[ab].test"}, true},
		{"https://c.test", "example.org", []string{"[ab].test"}, false},
		{"https://example.com", "example.org", []string{"https://example.com:443"}, true},
		{"https://example.com:443", "example.org", []string{"https://example.com:443"}, true},
		{"https://example.com:8443", "example.org", []string{"https://example.com:443"}, false},
		{"http://example.com", "example.org", []string{"https://example.com:443"}, false},
		{"http://example.com", "example.org", []string{"http://example.com:80"}, true},
		{"https://example.com", "example.org", []string{"http://example.com:80"}, false},
		{"https://example.com", "example.org", []string{"example.com:443"}, true},
		{"http://example.com", "example.org", []string{"example.com:443"}, false},
		{"http://example.com:443", "example.org", []string{"example.com:443"}, true},
		{"https://a.example.com", "example.org", []string{"https://*.example.com:443"}, true},
		{"capacitor://localhost", "example.org", []string{"capacitor://localhost"}, true},
		{"capacitor://localhost", "example.org", []string{"localhost:80"}, false},
		{"file://", "example.org", []string{"file://"}, true},
		{"file://", "example.org", nil, false},
	} {
		t.Run(tc.origin+" at "+tc.host, func(t *testing.T) {
			onEveryService(t, &wsstream.AcceptOptions{Origins: tc.patterns}, func(t *testing.T, s service) {
				res, err := s.ask(t, wstest.UpgradeRequest("/", "Host: "+tc.host, "Origin: "+tc.origin))
				if tc.in {
					require.NoError(t, err)
					require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
					return
				}
				wantRefusal(t, res, err, http.StatusForbidden, "the origin")
			})
		})
	}
}

func TestOriginMayBeMissing(t *testing.T) {
	onEveryService(t, nil, func(t *testing.T, s service) {
		res, err := s.ask(t, wstest.UpgradeRequest("/"))
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	})
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
		"opened and closed": {
			func(p *wstest.Peer) { p.ServeHandshake() },
			[]string{"wsstream: opened", "wsstream: closed"},
		},
		"failed": {func(p *wstest.Peer) { p.Close() }, []string{"wsstream: handshake failed"}},
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

// TestOpenedHasTheWholeHeader: of values whose lengths need one, two and three bytes. Of the names
// that most requests have, it has the first, the last, and one twice.
func TestOpenedHasTheWholeHeader(t *testing.T) {
	want := http.Header{"Many": make([]string, 130)}
	lines := strings.Repeat("Many:\r\n", 130)
	for _, name := range []string{"Accept-Encoding", "User-Agent", "Cookie"} {
		want[name] = []string{"of " + name}
		lines += name + ": of " + name + "\r\n"
	}
	want["Cookie"] = append(want["Cookie"], "second")
	lines += "Cookie: second\r\n"
	for _, n := range []int{0, 1, 127, 128, 16383, 16384} {
		name, value := fmt.Sprintf("X-%d", n), strings.Repeat("x", n)
		want[name] = []string{value}
		lines += name + ": " + value + "\r\n"
	}
	request := strings.TrimSuffix(string(wstest.UpgradeRequest("/")), "\r\n") + lines + "\r\n"
	c, err := wsstream.AcceptConn(t.Context(), &script{in: []byte(request)}, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	opened, err := c.Opened().Wait(t.Context())
	require.NoError(t, err)
	for name, values := range want {
		require.Equal(t, values, opened.Header[name], name)
	}
}
