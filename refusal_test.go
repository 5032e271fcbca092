package wsstream_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestAcceptRefusesWhatIsNoHandshake(t *testing.T) {
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
		{
			name:   "no Connection",
			extra:  []string{"Connection:"},
			status: 426,
			says:   "Connection",
			header: "Upgrade: websocket",
		},
		{
			name:   "another Connection",
			extra:  []string{"Connection: keep-alive"},
			status: 426,
			says:   "keep-alive",
			header: "Upgrade: websocket",
		},
		{
			name:   "a Connection that only contains it",
			extra:  []string{"Connection: x-upgrade"},
			status: 426,
			says:   "Connection",
		},
		{
			name:   "no Upgrade",
			extra:  []string{"Upgrade:"},
			status: 426,
			says:   "Upgrade",
			header: "Upgrade: websocket",
		},
		{name: "another Upgrade", extra: []string{"Upgrade: h2c"}, status: 426, says: "h2c"},
		{
			name:   "an Upgrade that only contains it",
			extra:  []string{"Upgrade: websocket2"},
			status: 426,
			says:   "websocket2",
		},
		{
			name:   "no version",
			extra:  []string{"Sec-WebSocket-Version:"},
			status: 426,
			says:   "not 13",
			header: "Sec-WebSocket-Version: 13",
		},
		{
			name:   "version 8",
			extra:  []string{"Sec-WebSocket-Version: 8"},
			status: 426,
			says:   `"8"`,
			header: "Sec-WebSocket-Version: 13",
		},
		{
			name:   "version 14",
			extra:  []string{"Sec-WebSocket-Version: 14"},
			status: 426,
			says:   `"14"`,
			header: "Sec-WebSocket-Version: 13",
		},
		{
			name:   "version 013",
			extra:  []string{"Sec-WebSocket-Version: 013"},
			status: 426,
			says:   "013",
			header: "Sec-WebSocket-Version: 13",
		},
		{
			name:   "versions 13 and 8",
			extra:  []string{"Sec-WebSocket-Version: 13, 8"},
			status: 426,
			says:   "13, 8",
			header: "Sec-WebSocket-Version: 13",
		},
		{name: "no key", extra: []string{k}, status: 400, says: "Sec-WebSocket-Key"},
		{name: "an empty key", extra: []string{k + " \t"}, status: 400, says: "Sec-WebSocket-Key"},
		{
			name:   "a key of 15 bytes",
			extra:  []string{k + "AAAAAAAAAAAAAAAAAAAA"},
			status: 400,
			says:   "16 bytes",
		},
		{
			name:   "a key of 17 bytes",
			extra:  []string{k + "AAAAAAAAAAAAAAAAAAAAAAA="},
			status: 400,
			says:   "16 bytes",
		},
		{
			name:   "a key without padding",
			extra:  []string{k + "AAAAAAAAAAAAAAAAAAAAAA"},
			status: 400,
			says:   "base64",
		},
		{
			name:   "a key in the URL alphabet",
			extra:  []string{k + "__AAAAAAAAAAAAAAAAAAAA=="},
			status: 400,
			says:   "base64",
		},
		{
			name:   "a second key",
			extra:  []string{k + "dGhlIHNhbXBsZSBub25jZQ==", k + "dGhlIHNhbXBsZSBub25jZQ=="},
			status: 400,
			says:   "Sec-WebSocket-Key appears 2 times",
		},
		{
			name:   "a second version",
			extra:  []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"},
			status: 400,
			says:   "Sec-WebSocket-Version appears 2 times",
		},
		{
			name:   "a second origin",
			extra:  []string{"Origin: http://example.org", "Origin: http://example.org"},
			status: 400,
			says:   "Origin appears 2 times",
		},
		{name: "another origin", extra: []string{"Origin: https://evil.test"}, status: 403, says: `the origin "https://evil.test" is not the host "example.org"`},
		{name: "HTTP/1.0", start: "GET / HTTP/1.0", status: 505, says: "HTTP/1.1 only"},
		{name: "a body", extra: []string{"Content-Length: 5"}, body: "hello", status: 400, says: "body"},
		{
			name:   "a chunked body",
			extra:  []string{"Transfer-Encoding: chunked"},
			body:   "5\r\nhello\r\n0\r\n\r\n",
			status: 400,
			says:   "body",
		},
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

func TestAcceptConnRefusesWhatIsNotHTTP(t *testing.T) {
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
				peer := wstest.NewPeer(t, far, wstest.AsClient)
				peer.SendRaw([]byte(tc.raw))
				accepted := make(chan error, 1)
				go func() {
					_, err := wsstream.AcceptConn(patient(t), near, nil)
					accepted <- err
				}()
				res := peer.ReadResponse()
				peer.WantEOF("the connection is closed")
				peer.Close()
				wantRefusal(t, res, <-accepted, tc.status, tc.says)
			})
		})
	}
}

func TestAcceptConnRefusesAHeaderOver64KiB(t *testing.T) {
	for _, size := range []int{65 << 10, 1 << 20} {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			peer := wstest.NewPeer(t, far, wstest.AsClient)
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

func TestMaxHandshakeSizeLimitsTheHeader(t *testing.T) {
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
				accepted := goAccept(t, near, &wsstream.AcceptOptions{MaxHandshakeSize: tc.limit})
				go func() { // ends with the server's answer
					_, _ = far.Write(request)
					_, _ = io.Copy(io.Discard, far)
					_ = far.Close() // or a refusal waits for that
				}()
				err := <-accepted
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
				answer := wstest.SwitchingProtocols(wstest.NewPeer(t, far, wstest.AsServer).ReadRequest(),
					"X-Long: "+strings.Repeat("x", 100_000))
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

// TestAcceptConnAnswers408AfterHandshakeTimeout: the client sends its request too slowly.
func TestAcceptConnAnswers408AfterHandshakeTimeout(t *testing.T) {
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
				peer := wstest.NewPeer(t, far, wstest.AsClient)
				peer.SendRaw([]byte(sent))
				start := time.Now()
				accepted := make(chan error, 1)
				go func() {
					_, err := wsstream.AcceptConn(t.Context(), near,
						&wsstream.AcceptOptions{HandshakeTimeout: 5 * time.Second})
					accepted <- err
				}()
				res := peer.ReadResponse()
				require.Equal(t, 5*time.Second, time.Since(start))
				wantRefusal(t, res, <-accepted, 408, "not done within HandshakeTimeout")
				require.Equal(t, 6*time.Second, time.Since(start), "the client has a second to read that")
				require.True(t, near.Closed())
			})
		})
	}
}

func TestAcceptLeavesASlowRequestToNetHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		srv := &http.Server{
			ReadHeaderTimeout: 5 * time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := wsstream.Accept(w, r, nil)
				t.Errorf("a request came: %v", err)
			}),
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		nc, err := l.Dial(t.Context())
		require.NoError(t, err)
		nc.(*memnet.Conn).Drip(1, time.Second)
		wstest.NewPeer(t, nc, wstest.AsClient).SendRaw(wstest.UpgradeRequest("/"))
		start := time.Now()
		_, err = io.ReadAll(nc) // net/http may answer, with 400
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}

func TestAcceptConnDropsAClientThatReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		peer := wstest.NewPeer(t, far, wstest.AsClient)
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

func TestAcceptDropsAClientThatReadsNothing(t *testing.T) {
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
		peer := wstest.NewPeer(t, nc, wstest.AsClient)
		peer.SendRaw(wstest.UpgradeRequest("/"))
		err = <-accepted
		require.ErrorAs(t, err, new(*wsstream.HandshakeError))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAcceptRefusesHTTP2(t *testing.T) {
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
	wantRefusal(t, res, <-accepted, 505,
		"the request is HTTP/2.0; WebSocket is served over HTTP/1.1 only")
}

func TestAcceptConnReadsTheHeaderAsStrictlyAsNetHTTP(t *testing.T) {
	for _, tc := range []struct {
		line string // instead of Host's where it is one
		says string // to a bare connection; empty where it is a handshake
	}{
		{"X-Plain: a", ""},
		{"X-Empty:", ""},
		{"X-Bytes: \x80\xff\t!", ""},
		{"!#$%&'*+-.^_`|~1: a", ""},
		{"X-No-Space:a \t", ""},
		{"Host: example.org:8080", ""},
		{"Host: [::1]:8080", ""},
		{"Host:", "Host is missing"},
		{"Transfer-Encoding : chunked", `"Transfer-Encoding " is not the name of a field`},
		{"Transfer-Encoding\t: chunked", "is not the name of a field"},
		{"Transfer-Encoding: gzip", "transfer encoding"},
		{"Sec-WebSocket-Key : dGhlIHNhbXBsZSBub25jZQ==", "is not the name of a field"},
		{"Host : example.org", "is not the name of a field"},
		{"Host: a b<script>", `Host "a b<script>" is not a host`},
		{"Host: example.org/", "is not a host"},
		{"Host: a\"b", "is not a host"},
		{"Host: ex\u00e4mple.org", "is not a host"},
		{"X-Host: a\r\nHost: b\r\nHost: c", "too many Host headers"},
		{": a", "malformed"},
		{" X-First: a", "goes on with another"},
		{"no colon", "has no colon"},
		{"X(: a", "is not the name of a field"},
		{"X-\u00e4: a", "is not the name of a field"},
		{"X-Null: a\x00b", "has a control character"},
		{"X-Escape: a\x1bb", "has a control character"},
		{"X-Return: a\rb", "has a control character"},
		{"X-Delete: a\x7fb", "has a control character"},
		{"X\x00: a", "is not the name of a field"},
		{"Content-Length: 5\r\nContent-Length: 6", "Content-Length"},
		{"Content-Length: -1", "Content-Length"},
	} {
		t.Run(tc.line, func(t *testing.T) {
			raw := wstest.UpgradeRequest("/")
			if strings.Contains(tc.line, "Host") {
				raw = wstest.UpgradeRequest("/", "Host:")
			}
			raw = bytes.Replace(raw, []byte("\r\n"), []byte("\r\n"+tc.line+"\r\n"), 1)
			want := map[bool]int{true: 101, false: 400}[tc.says == ""]
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				peer := wstest.NewPeer(t, far, wstest.AsClient)
				accepted := make(chan error, 1)
				go func() {
					conn, err := wsstream.AcceptConn(t.Context(), near, nil)
					if err == nil {
						conn.CloseNow()
					}
					accepted <- err
				}()
				peer.SendRaw(raw)
				res := peer.ReadResponse()
				peer.Close()
				if err := <-accepted; tc.says == "" {
					require.NoError(t, err)
				} else {
					wantRefusal(t, res, err, 400, tc.says)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if conn, err := wsstream.Accept(w, r, nil); err == nil {
						conn.CloseNow()
					}
				}))
				nc, err := srv.Listener.Dial(t.Context())
				require.NoError(t, err)
				peer := wstest.NewPeer(t, nc, wstest.AsClient)
				peer.SendRaw(raw)
				status := peer.ReadResponse().StatusCode
				if status == http.StatusNotImplemented {
					status = http.StatusBadRequest // for Transfer-Encoding: gzip, which is no better
				}
				require.Equal(t, want, status, "net/http")
			})
		})
	}
}

func TestAcceptConnRefusesAFoldedLine(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		accepted := goAccept(t, near, nil)
		peer.SendRaw(wstest.UpgradeRequest("/", "X-Folded: a\r\n Transfer-Encoding: chunked"))
		res := peer.ReadResponse()
		peer.Close()
		wantRefusal(t, res, <-accepted, 400, "goes on with another")
	})
}

func TestAcceptConnRefusesMoreThan256Lines(t *testing.T) {
	const own = 5 // lines of wstest.UpgradeRequest
	tiny := func(lines int) []byte {
		raw := bytes.TrimSuffix(wstest.UpgradeRequest("/"), []byte("\r\n"))
		return append(raw, strings.Repeat("a:\r\n", lines-own)...)
	}
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		accepted := goAccept(t, near, &wsstream.AcceptOptions{MaxHandshakeSize: -1})
		peer.SendRaw(append(tiny(256), "\r\n"...))
		require.Equal(t, 101, peer.ReadResponse().StatusCode)
		require.NoError(t, <-accepted)
		peer.Close()
	})
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		accepted := goAccept(t, near, &wsstream.AcceptOptions{MaxHandshakeSize: -1})
		peer.SendRaw(tiny(257)) // which has no end
		res := peer.ReadResponse()
		peer.Close()
		wantRefusal(t, res, <-accepted, 431, "the header has more than 256 lines")
	})
}

func TestAcceptConnHoldsNoMoreThanTheHeadersBytes(t *testing.T) {
	const n, slack = 20, 12 << 10 // of a Conn, a Peer and their goroutines
	heap := func() uint64 {
		var m runtime.MemStats
		synctest.Wait()
		runtime.GC()
		runtime.GC() // pools keep what they were given for one
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	start := strings.TrimSuffix(string(wstest.UpgradeRequest("/", "Sec-WebSocket-Protocol: a")),
		"\r\n")
	for name, lines := range map[string]string{
		"tiny lines":              strings.Repeat("a:\r\n", 250),
		"as many as there may be": strings.Repeat("a: "+strings.Repeat("x", 250)+"\r\n", 250),
		"a long one":              "a: " + strings.Repeat("x", 65_000) + "\r\n",
		"a long list":             "Sec-WebSocket-Protocol: b" + strings.Repeat(",x", 32_000) + "\r\n",
		"a long URL":              "",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw := start + lines
				if lines == "" {
					raw = strings.Replace(start, "GET /", "GET /"+strings.Repeat("x", 65_000), 1)
				}
				before := heap()
				var peers []*wstest.Peer
				accepted := make(chan *wsstream.Conn, n)
				for range n {
					near, far := memnet.Pipe(0)
					peers = append(peers, wstest.NewPeer(t, far, wstest.AsClient))
					go func() {
						conn, _ := wsstream.AcceptConn(t.Context(), near,
							&wsstream.AcceptOptions{Subprotocols: []string{"a", "b"}})
						accepted <- conn
					}()
				}
				for piece := range slices.Chunk([]byte(raw), 1<<10) {
					for _, peer := range peers {
						peer.SendRaw(piece)
					}
					synctest.Wait() // or memnet's buffers grow, and are counted
				}
				require.Less(t, heap(), before+n*(64<<10+slack), "while it has no end")
				var conns []*wsstream.Conn
				for _, peer := range peers {
					peer.SendRaw([]byte("\r\n"))
					require.Equal(t, 101, peer.ReadResponse().StatusCode)
					conns = append(conns, <-accepted)
				}
				require.Less(t, heap(), before+n*(uint64(len(raw))+slack), "once it was accepted")
				for i, conn := range conns {
					o, _, _ := conn.Opened().Peek()
					require.Len(t, o.Header["A"], strings.Count(lines, "a:"))
					conn.CloseNow()
					peers[i].Close()
				}
			})
		})
	}
}

func TestRefusalReachesAClientThatIsStillWriting(t *testing.T) {
	more := strings.Repeat("x", 1<<20) // more than the buffers take
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"a header that is too large": {string(wstest.UpgradeRequest("/", "X-Long: "+more)), 431},
		"too many lines": {
			strings.TrimSuffix(string(wstest.UpgradeRequest("/")), "\r\n") +
				strings.Repeat("a:\r\n", 300_000),
			431,
		},
		"a malformed line": {"GET / HTTP/1.1\r\nno colon\r\n" + more, 400},
		"a body": {
			string(wstest.UpgradeRequest("/", "Content-Length: 1048576")) + more,
			400,
		},
		"an origin": {
			string(wstest.UpgradeRequest("/", "Origin: http://evil.test")) + more,
			403,
		},
		"no upgrade": {string(wstest.UpgradeRequest("/", "Upgrade:")) + more, 426},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				near, far := pipes.TCP(t, 64<<10)
				accepted := goAccept(t, near, nil)
				_, err := io.WriteString(far, tc.request) // before it reads
				require.NoError(t, err)
				res := wstest.NewPeer(t, far, wstest.AsClient).ReadResponse()
				require.NoError(t, far.Close())
				wantRefusal(t, res, <-accepted, tc.status, "")
			}
		})
	}
}

// TestRefusalWaitsASecondForTheClientToClose: otherwise the kernel would reset the connection,
// and the client would not see the refusal.
func TestRefusalWaitsASecondForTheClientToClose(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		accepted := goAccept(t, near, &wsstream.AcceptOptions{HandshakeTimeout: -1})
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		start := time.Now()
		peer.SendRaw(wstest.UpgradeRequest("/", "Upgrade: tea"))
		res := peer.ReadResponse()
		peer.WantEOF("the server has said all")
		wantRefusal(t, res, <-accepted, 426, "tea")
		took := time.Since(start)
		require.GreaterOrEqual(t, took, time.Second)
		if _, ok := near.(*memnet.Conn); ok {
			require.Equal(t, time.Second, took, "and no longer")
		}
		peer.Close()
	})
}

func TestRefusalStopsWaitingWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		ctx, cancel := withCause(t)
		accepted := make(chan error, 1)
		go func() {
			_, err := wsstream.AcceptConn(ctx, near, nil)
			accepted <- err
		}()
		peer := wstest.NewPeer(t, far, wstest.AsClient)
		peer.SendRaw(wstest.UpgradeRequest("/", "Upgrade: tea"))
		res := peer.ReadResponse()
		start := time.Now()
		cancel(errReason)
		wantRefusal(t, res, <-accepted, 426, "tea")
		require.Zero(t, time.Since(start))
		require.True(t, near.Closed())
		peer.Close()
	})
}

func TestAcceptConnAnswersNothingToAClientThatSaidNothing(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		var m wsstream.Meter
		require.NoError(t, far.Close())
		err := <-goAccept(t, near, &wsstream.AcceptOptions{Meter: &m})
		var failed *wsstream.HandshakeError
		require.ErrorAs(t, err, &failed)
		require.Zero(t, failed.Status)
		require.ErrorContains(t, err, "the client closed the connection before its request came")
		require.Empty(t, m.Totals().Refused)
	})
}
