package wsstream_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A service is a server under test: ask sends a client's bytes, and returns the response and what Accept or
// AcceptConn returned.
type service struct {
	bare bool
	ask  func(t *testing.T, raw []byte) (*http.Response, error)
}

// onEveryService runs f with a server on net/http and on a bare connection, in memory under synctest and over TCP.
func onEveryService(t *testing.T, o *wsstream.AcceptOptions, f func(t *testing.T, s service)) {
	t.Run("bare", func(t *testing.T) {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			f(t, service{true, func(t *testing.T, raw []byte) (*http.Response, error) {
				peer := wstest.NewPeer(t, far, true)
				accepted := make(chan error, 1)
				go func() {
					conn, err := wsstream.AcceptConn(patient(t), near, o)
					if err == nil {
						conn.CloseNow()
					}
					accepted <- err
				}()
				peer.SendRaw(raw)
				res := peer.ReadResponse()
				return res, <-accepted
			}})
		})
	})
	accepted := func() (chan error, http.Handler) {
		accepted := make(chan error, 1)
		return accepted, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(w, r, o)
			if err == nil {
				conn.CloseNow()
			}
			accepted <- err
		})
	}
	ask := func(t *testing.T, nc net.Conn, raw []byte, accepted chan error) (*http.Response, error) {
		peer := wstest.NewPeer(t, nc, true)
		peer.SendRaw(raw)
		res := peer.ReadResponse()
		peer.Close()
		return res, <-accepted
	}
	t.Run("http/memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			accepted, h := accepted()
			srv := wstest.NewServer(t, h)
			f(t, service{false, func(t *testing.T, raw []byte) (*http.Response, error) {
				nc, err := srv.Listener.Dial(t.Context())
				require.NoError(t, err)
				return ask(t, nc, raw, accepted)
			}})
		})
	})
	t.Run("http/tcp", func(t *testing.T) {
		accepted, h := accepted()
		srv := httptest.NewServer(h)
		defer srv.Close()
		f(t, service{false, func(t *testing.T, raw []byte) (*http.Response, error) {
			nc, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			return ask(t, nc, raw, accepted)
		}})
	})
}

func TestTheServerRefusesWhatIsNoHandshake(t *testing.T) {
	const k = "Sec-WebSocket-Key: "
	for _, tc := range []struct {
		name   string
		start  string   // in the place of "GET / HTTP/1.1"
		extra  []string // lines, as wstest.UpgradeRequest takes them
		body   string
		status int
		says   string
		header string // in the response, as "Name: value"
	}{
		{name: "POST", start: "POST / HTTP/1.1", status: 405, says: "POST", header: "Allow: GET"},
		{name: "get", start: "get / HTTP/1.1", status: 405, says: "get", header: "Allow: GET"},
		{name: "no Connection", extra: []string{"Connection:"}, status: 426, says: "Connection", header: "Upgrade: websocket"},
		{name: "another Connection", extra: []string{"Connection: keep-alive"}, status: 426, says: "keep-alive", header: "Upgrade: websocket"},
		{name: "a Connection that only contains it", extra: []string{"Connection: x-upgrade"}, status: 426, says: "Connection"},
		{name: "no Upgrade", extra: []string{"Upgrade:"}, status: 426, says: "Upgrade", header: "Upgrade: websocket"},
		{name: "another Upgrade", extra: []string{"Upgrade: h2c"}, status: 426, says: "h2c"},
		{name: "an Upgrade that only contains it", extra: []string{"Upgrade: websocket2"}, status: 426, says: "websocket2"},
		{name: "no version", extra: []string{"Sec-WebSocket-Version:"}, status: 426, says: "not 13", header: "Sec-WebSocket-Version: 13"},
		{name: "version 8", extra: []string{"Sec-WebSocket-Version: 8"}, status: 426, says: `"8"`, header: "Sec-WebSocket-Version: 13"},
		{name: "version 14", extra: []string{"Sec-WebSocket-Version: 14"}, status: 426, says: `"14"`, header: "Sec-WebSocket-Version: 13"},
		{name: "version 013", extra: []string{"Sec-WebSocket-Version: 013"}, status: 426, says: "013", header: "Sec-WebSocket-Version: 13"},
		{name: "versions 13 and 8", extra: []string{"Sec-WebSocket-Version: 13, 8"}, status: 426, says: "13, 8", header: "Sec-WebSocket-Version: 13"},
		{name: "no key", extra: []string{k}, status: 400, says: "Sec-WebSocket-Key"},
		{name: "an empty key", extra: []string{k + " \t"}, status: 400, says: "Sec-WebSocket-Key"},
		{name: "a key of 15 bytes", extra: []string{k + "AAAAAAAAAAAAAAAAAAAA"}, status: 400, says: "16 bytes"},
		{name: "a key of 17 bytes", extra: []string{k + "AAAAAAAAAAAAAAAAAAAAAAA="}, status: 400, says: "16 bytes"},
		{name: "a key without padding", extra: []string{k + "AAAAAAAAAAAAAAAAAAAAAA"}, status: 400, says: "base64"},
		{name: "a key with stray bits", extra: []string{k + "AAAAAAAAAAAAAAAAAAAAAB=="}, status: 400, says: "base64"},
		{name: "a key in the URL alphabet", extra: []string{k + "__AAAAAAAAAAAAAAAAAAAA=="}, status: 400, says: "base64"},
		{name: "a second key", extra: []string{k + "dGhlIHNhbXBsZSBub25jZQ==", k + "dGhlIHNhbXBsZSBub25jZQ=="}, status: 400, says: "Sec-WebSocket-Key stands 2 times"},
		{name: "a second version", extra: []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"}, status: 400, says: "Sec-WebSocket-Version stands 2 times"},
		{name: "a second origin", extra: []string{"Origin: http://example.org", "Origin: http://example.org"}, status: 400, says: "Origin stands 2 times"},
		{name: "another origin", extra: []string{"Origin: https://evil.test"}, status: 403, says: `the origin "https://evil.test" is not the host "example.org"`},
		{name: "HTTP/1.0", start: "GET / HTTP/1.0", status: 505, says: "HTTP/1.1 only"},
		{name: "a body", extra: []string{"Content-Length: 5"}, body: "hello", status: 400, says: "body"},
		{name: "a chunked body", extra: []string{"Transfer-Encoding: chunked"}, body: "5\r\nhello\r\n0\r\n\r\n", status: 400, says: "body"},
		{name: "subprotocols that are no tokens", extra: []string{"Sec-WebSocket-Protocol: a, b c"}, status: 400, says: "Sec-WebSocket-Protocol"},
		{name: "an empty subprotocol", extra: []string{"Sec-WebSocket-Protocol: a,,b"}, status: 400, says: "Sec-WebSocket-Protocol"},
		{name: "a subprotocol twice", extra: []string{"Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a"}, status: 400, says: "Sec-WebSocket-Protocol"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onEveryService(t, nil, func(t *testing.T, s service) {
				raw := wstest.UpgradeRequest("/", tc.extra...)
				if tc.start != "" {
					raw = bytes.Replace(raw, []byte("GET / HTTP/1.1"), []byte(tc.start), 1)
				}
				res, err := s.ask(t, append(raw, tc.body...))
				wantRefusal(t, res, err, tc.status, tc.says)
				if name, value, ok := strings.Cut(tc.header, ": "); ok {
					require.Contains(t, res.Header.Values(name), value)
				}
			})
		})
	}
}

// wantRefusal requires that a response and an error tell the same.
func wantRefusal(t *testing.T, res *http.Response, err error, status int, says string) {
	t.Helper()
	body, _ := io.ReadAll(res.Body)
	require.Equal(t, status, res.StatusCode, "%s", body)
	require.Contains(t, string(body), says)
	require.Empty(t, res.Header.Values("Sec-WebSocket-Accept"))
	var refused *wsstream.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, status, refused.Status)
	require.ErrorContains(t, err, says)
}

func TestTheServerAcceptsWhatIsUnusualAndAllowed(t *testing.T) {
	for name, extra := range map[string][]string{
		"as browsers do":            {"Connection: keep-alive, Upgrade", "Origin: http://example.org", "Sec-WebSocket-Extensions: permessage-deflate"},
		"other cases":               {"connection: UPGRADE", "upgrade: WebSocket"},
		"two Connection fields":     {"Connection: keep-alive", "Connection: Upgrade"},
		"several Upgrades":          {"Upgrade: h2c, websocket"},
		"no body, said":             {"Content-Length: 0"},
		"a subprotocol not spoken":  {"Sec-WebSocket-Protocol: x"},
		"a key of any sixteen":      {"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="},
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

func TestTheServerTakesTheFirstSubprotocolOfTheClientsThatItSpeaks(t *testing.T) {
	for _, tc := range []struct{ offered, want string }{
		{"a, b", "a"},
		{"b, a", "b"},
		{"x,b", "b"},
		{"A, b", "b"},
		{"x\r\nSec-WebSocket-Protocol: a", "a"},
		{"x", ""},
	} {
		t.Run(tc.offered, func(t *testing.T) {
			onEveryService(t, &wsstream.AcceptOptions{Subprotocols: []string{"a", "b"}}, func(t *testing.T, s service) {
				res, err := s.ask(t, wstest.UpgradeRequest("/", "Sec-WebSocket-Protocol: "+tc.offered))
				require.NoError(t, err)
				require.Equal(t, tc.want, strings.Join(res.Header.Values("Sec-WebSocket-Protocol"), ";"))
			})
		})
	}
}

func TestABareConnectionThatSpeaksNoHTTPIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name, raw string
		status    int
		says      string
	}{
		{"garbage", "\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "malformed"},
		{"no version", "GET /\r\n\r\n", 400, "malformed"},
		{"a bad version", "GET / HTTP/x\r\n\r\n", 400, "malformed"},
		{"a bad field", "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed"},
		{"no Host", string(wstest.UpgradeRequest("/", "Host:")), 400, "Host"},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1 only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				peer := wstest.NewPeer(t, far, true)
				peer.SendRaw([]byte(tc.raw))
				conn, err := wsstream.AcceptConn(patient(t), near, nil)
				require.Nil(t, conn)
				wantRefusal(t, peer.ReadResponse(), err, tc.status, tc.says)
				peer.WantEOF("the connection is closed")
			})
		})
	}
}

func TestABareConnectionWhoseHeaderIsOver64KiBIsRefused(t *testing.T) {
	for _, size := range []int{65 << 10, 1 << 20} {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			peer := wstest.NewPeer(t, far, true)
			accepted := make(chan error, 1)
			go func() {
				_, err := wsstream.AcceptConn(patient(t), near, nil)
				accepted <- err
			}()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = far.Write(wstest.UpgradeRequest("/", "X-Long: "+strings.Repeat("x", size)))
			}()
			res := peer.ReadResponse()
			peer.Close()
			<-sent
			wantRefusal(t, res, <-accepted, 431, "MaxHandshakeSize, 65536 bytes")
		})
	}
}

func TestMaxHandshakeSizeBoundsTheHeader(t *testing.T) {
	request := wstest.UpgradeRequest("/", "X-Long: "+strings.Repeat("x", 100_000))
	for name, tc := range map[string]struct {
		limit int
		fits  bool
	}{
		"default":        {0, false},
		"just enough":    {len(request), true},
		"a byte less":    {len(request) - 1, false},
		"negative":       {-1, true},
		"much too small": {1, false},
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				accepted := make(chan error, 1)
				go func() {
					conn, err := wsstream.AcceptConn(patient(t), near, &wsstream.AcceptOptions{MaxHandshakeSize: tc.limit})
					if err == nil {
						conn.CloseNow()
					}
					accepted <- err
				}()
				go func() { _, _ = far.Write(request) }()
				err := <-accepted
				_ = far.Close()
				if tc.fits {
					require.NoError(t, err)
					return
				}
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, 431, failed.Status)
				require.ErrorContains(t, err, "MaxHandshakeSize")
			})
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{MaxHandshakeSize: tc.limit})
				answer := wstest.SwitchingProtocols(wstest.NewPeer(t, far, false).ReadRequest(), "X-Long: "+strings.Repeat("x", 100_000))
				padding := len(request) - len(answer)
				answer = bytes.Replace(answer, []byte("xxx"), bytes.Repeat([]byte("x"), 3+padding), 1)
				go func() { _, _ = far.Write(answer) }()
				_, err := conn.Opened().Wait(patient(t))
				if tc.fits {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "MaxHandshakeSize")
			})
		})
	}
}

func TestAClientThatDripsItsRequestGets408AfterHandshakeTimeout(t *testing.T) {
	for name, sent := range map[string]string{
		"a byte a second": string(wstest.UpgradeRequest("/")),
		"nothing":         "",
		"all but the end": strings.TrimSuffix(string(wstest.UpgradeRequest("/")), "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				if name == "a byte a second" {
					far.Drip(1, time.Second)
				}
				peer := wstest.NewPeer(t, far, true)
				peer.SendRaw([]byte(sent))
				start := time.Now()
				_, err := wsstream.AcceptConn(t.Context(), near, &wsstream.AcceptOptions{HandshakeTimeout: 5 * time.Second})
				require.Equal(t, 5*time.Second, time.Since(start))
				require.True(t, near.Closed())
				wantRefusal(t, peer.ReadResponse(), err, 408, "not done within HandshakeTimeout")
			})
		})
	}
}

func TestAClientThatDripsItsRequestToNetHTTPIsTheServersToDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := wsstream.Accept(w, r, nil)
			t.Errorf("a request came: %v", err)
		})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		nc, err := l.Dial(t.Context())
		require.NoError(t, err)
		nc.(*memnet.Conn).Drip(1, time.Second)
		wstest.NewPeer(t, nc, true).SendRaw(wstest.UpgradeRequest("/"))
		start := time.Now()
		_, err = io.ReadAll(nc) // net/http may answer, with 400
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}

func TestWhatTheServerMakesOfSubprotocols(t *testing.T) {
	for _, tc := range []struct {
		lines  string // all that the client sends of the field
		spoken []string
		chosen string
		bad    bool // 400
	}{
		{"", []string{"a"}, "", false},
		{"Sec-WebSocket-Protocol: a", nil, "", false},
		{"Sec-WebSocket-Protocol: a", []string{"a"}, "a", false},
		{"Sec-WebSocket-Protocol: a, b", []string{"b", "a"}, "a", false}, // the client's preference
		{"Sec-WebSocket-Protocol: x, b, a", []string{"a", "b"}, "b", false},
		{"Sec-WebSocket-Protocol: x, y", []string{"a", "b"}, "", false},
		{"Sec-WebSocket-Protocol: A", []string{"a"}, "", false}, // by case
		{"Sec-WebSocket-Protocol: A, a", []string{"a"}, "a", false},
		{"Sec-WebSocket-Protocol: a,b", []string{"b"}, "b", false},
		{"Sec-WebSocket-Protocol: \t a \t,\t b \t", []string{"b"}, "b", false},
		{"Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: a", []string{"a"}, "a", false},
		{"sec-websocket-protocol: a", []string{"a"}, "a", false},
		{"Sec-WebSocket-Protocol: graphql-transport-ws", []string{"graphql-transport-ws"}, "graphql-transport-ws", false},
		{"Sec-WebSocket-Protocol: v1.example.org+json!#$%&'*^_`|~", []string{"v1.example.org+json!#$%&'*^_`|~"}, "v1.example.org+json!#$%&'*^_`|~", false},
		{"Sec-WebSocket-Protocol: ", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: ,", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a,", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a,,b", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a, a", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a b", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: \"a\"", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a;q=1", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: a/b", []string{"a"}, "", true},
		{"Sec-WebSocket-Protocol: \u00e4", []string{"a"}, "", true},
	} {
		t.Run(tc.lines, func(t *testing.T) {
			onEveryService(t, &wsstream.AcceptOptions{Subprotocols: tc.spoken}, func(t *testing.T, s service) {
				raw := wstest.UpgradeRequest("/")
				if tc.lines != "" {
					raw = bytes.Replace(raw, []byte("Upgrade: websocket\r\n"), []byte("Upgrade: websocket\r\n"+tc.lines+"\r\n"), 1)
				}
				res, err := s.ask(t, raw)
				if tc.bad {
					wantRefusal(t, res, err, 400, "Sec-WebSocket-Protocol")
					return
				}
				require.NoError(t, err)
				require.Equal(t, 101, res.StatusCode)
				require.Equal(t, tc.chosen, res.Header.Get("Sec-WebSocket-Protocol"))
			})
		})
	}
}

func TestAClientThatReadsNothingIsDroppedAfterHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		peer := wstest.NewPeer(t, far, true)
		peer.SendRaw(wstest.UpgradeRequest("/"))
		near.Stall(true)
		start := time.Now()
		_, err := wsstream.AcceptConn(t.Context(), near, &wsstream.AcceptOptions{
			HandshakeTimeout: 5 * time.Second,
			Header:           http.Header{"X-Long": {strings.Repeat("x", memnet.DefaultLimit)}},
		})
		require.ErrorAs(t, err, new(*wsstream.HandshakeError))
		require.ErrorContains(t, err, "HandshakeTimeout")
		require.Equal(t, 5*time.Second, time.Since(start))
		require.True(t, near.Closed())
	})
}

func TestAClientOfAnHTTPServerThatReadsNothingIsDroppedAfterHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepted := make(chan error, 1)
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := wsstream.Accept(w, r, &wsstream.AcceptOptions{
				HandshakeTimeout: 5 * time.Second,
				Header:           http.Header{"X-Long": {strings.Repeat("x", memnet.DefaultLimit)}},
			})
			accepted <- err
		}))
		nc, err := srv.Listener.Dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		peer := wstest.NewPeer(t, nc, true)
		peer.SendRaw(wstest.UpgradeRequest("/"))
		err = <-accepted
		require.ErrorAs(t, err, new(*wsstream.HandshakeError))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAcceptConnEndsWithItsContext(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		ctx, cancel := withCause(t)
		accepted := make(chan error, 1)
		go func() {
			_, err := wsstream.AcceptConn(ctx, near, nil)
			accepted <- err
		}()
		peer := wstest.NewPeer(t, far, true)
		peer.SendRaw(wstest.UpgradeRequest("/")[:30])
		cancel(errReason)
		require.Equal(t, errReason, <-accepted)
		wantDropped(t, peer)
	})
}

func TestHTTP2IsRefusedWithAnErrorThatSaysSo(t *testing.T) {
	accepted := make(chan error, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := wsstream.Accept(w, r, nil)
		accepted <- err
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 2, res.ProtoMajor)
	wantRefusal(t, res, <-accepted, 505, "the request is HTTP/2.0; WebSocket is served over HTTP/1.1 only")
}

func TestAResponseWriterThatCannotBeHijackedIsAnsweredWith500(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
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

func TestAResponseWriterWithUnwrapIsHijacked(t *testing.T) {
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
