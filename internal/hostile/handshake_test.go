package hostile

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestSlowHandshakesEndAtHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, timeout = 100, 2 * time.Minute
		const perPeer = 8 << 10 // a Conn, a Peer, two goroutines, the transport, and a header of 1 KiB
		before := heap()
		var near []*counted
		var far []*memnet.Conn
		accepted := make(chan error, n)
		start := time.Now()
		for range n {
			a, b := memnet.Pipe(0)
			near, far = append(near, &counted{Conn: a}), append(far, b)
			b.Drip(1, time.Second)
			_, err := b.Write(request("X-Long: " + strings.Repeat("x", 1<<10)))
			require.NoError(t, err)
			nc := near[len(near)-1]
			go func() { // ends with the handshake
				_, err := wsstream.AcceptConn(t.Context(), nc,
					&wsstream.AcceptOptions{HandshakeTimeout: timeout})
				accepted <- err
			}()
		}
		<-time.After(timeout - time.Second)
		require.Less(t, heap(), before+n*perPeer)
		for range n {
			var failed *wsstream.HandshakeError
			require.ErrorAs(t, <-accepted, &failed)
			require.Equal(t, http.StatusRequestTimeout, failed.Status)
		}
		took(t, timeout+time.Second, start, "the client has a second to read the answer")
		for i := range n {
			require.LessOrEqual(t, near[i].reads.Load(), int64((timeout+2*time.Second)/time.Second),
				"a read for each byte")
			require.True(t, near[i].Closed())
			require.NoError(t, far[i].Close())
		}
	})
}

func TestSlowHandshakeOfAServerEndsDial(t *testing.T) {
	for name, sent := range map[string]string{
		"a byte a second": "HTTP/1.1 101 Switching Protocols\r\nX-Long: " + strings.Repeat("x", 1000),
		"1xx for ever":    strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100),
		"a refusal whose body never ends": "HTTP/1.1 403 Forbidden\r\n\r\n" +
			strings.Repeat("x", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				far.Drip(1, 10*time.Millisecond)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				dial, _ := dialling(near)
				start := time.Now()
				conn := wsstream.Dial(t.Context(), "ws://example.test/",
					&wsstream.DialOptions{NetDial: dial, HandshakeTimeout: 5 * time.Second})
				peer.ReadRequest()
				peer.SendRaw([]byte(sent))
				_, err := conn.Closed().Wait(t.Context())
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, err, &failed)
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
				require.LessOrEqual(t, len(failed.Body), 1<<10)
			})
		})
	}
}

func TestRequestBehindAHandshakeIsNeverAnswered(t *testing.T) {
	smuggled := "GET /admin HTTP/1.1\r\nHost: example.test\r\n\r\n"
	pulls := func(conn *wsstream.Conn, err error) error {
		if err == nil {
			_, err = conn.Readable().Pull(context.Background())
		}
		return err
	}
	for name, tc := range map[string]struct {
		bare    bool
		request []byte
		want    string // the start of the answer
		ends    string // of the answer
	}{
		"bare":           {true, wstest.UpgradeRequest("/"), "HTTP/1.1 101 ", ""},
		"bare, refused":  {true, wstest.UpgradeRequest("/", "Upgrade: tea"), "HTTP/1.1 426 ", "websocket\n"},
		"net http":       {false, wstest.UpgradeRequest("/"), "HTTP/1.1 101 ", ""},
		"bare, a body":   {true, wstest.UpgradeRequest("/", "Content-Length: 5"), "HTTP/1.1 400 ", "body\n"},
		"bare, no space": {true, wstest.UpgradeRequest("/", "Content-Length : 5"), "HTTP/1.1 400 ", "field\n"},
		"bare, chunked": {true, wstest.UpgradeRequest("/", "Transfer-Encoding: chunked"),
			"HTTP/1.1 400 ", "body\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var far *memnet.Conn
				served := make(chan error, 2)
				if tc.bare {
					var near *memnet.Conn
					near, far = memnet.Pipe(0)
					go func() { served <- pulls(wsstream.AcceptConn(t.Context(), near, nil)) }()
				} else {
					srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						served <- pulls(wsstream.Accept(w, r, nil))
					}))
					nc, err := srv.Listener.Dial(t.Context())
					require.NoError(t, err)
					far = nc.(*memnet.Conn)
				}
				_, err := far.Write(append(tc.request, smuggled...))
				require.NoError(t, err)
				require.NoError(t, far.CloseWrite())
				all, err := io.ReadAll(far)
				require.NoError(t, err)
				require.NoError(t, far.Close())
				err = <-served
				require.Empty(t, served, "one request")
				require.True(t, strings.HasPrefix(string(all), tc.want), "%q", all)
				require.Equal(t, 1, strings.Count(string(all), "HTTP/1.1 "), "one answer: %q", all)
				if tc.ends == "" {
					_, frames, _ := strings.Cut(string(all), "\r\n\r\n")
					require.Equal(t, "\x88", frames[:1], "a Close and nothing else")
					require.Equal(t, "\x03\xea", frames[2:4], "1002")
					require.Len(t, frames, 2+int(frames[1]))
					require.ErrorContains(t, err, "we closed with 1002")
				} else {
					require.True(t, strings.HasSuffix(string(all), tc.ends), "%q", all)
				}
			})
		})
	}
}

func TestResponseBehindThe101IsNoFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		dial, _ := dialling(near)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: dial})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.SendRaw(append(wstest.SwitchingProtocols(peer.ReadRequest()),
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"...))
		peer.WantClose("H is a ping with a reserved bit", 1002)
		peer.Close()
		_, err := conn.Readable().Pull(t.Context())
		require.ErrorContains(t, err, "we closed with 1002")
	})
}

func TestResponseBeforeTheRequestDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		guess, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		require.NoError(t, err)
		guess.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		_, err = far.Write(wstest.SwitchingProtocols(guess)) // it cannot know the key
		require.NoError(t, err)
		dial, _ := dialling(near)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: dial})
		_, err = conn.Closed().Wait(t.Context())
		require.ErrorContains(t, err, "does not answer our key")
		require.NoError(t, far.Close())
	})
}

func TestAnswerOfAServerMakesDialConnectNowhereElse(t *testing.T) {
	for _, answer := range []string{
		"301 Moved Permanently\r\nLocation: http://169.254.169.254/latest/meta-data",
		"302 Found\r\nLocation: ws://localhost:6379/",
		"303 See Other\r\nLocation: //internal.test/",
		"307 Temporary Redirect\r\nLocation: wss://user:secret@internal.test/",
		"308 Permanent Redirect\r\nLocation: file:///etc/passwd",
		"305 Use Proxy\r\nLocation: http://proxy.test/",
		"401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"",
		"407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"",
		"421 Misdirected Request\r\nAlt-Svc: h2=\"internal.test:443\"",
		"426 Upgrade Required\r\nUpgrade: TLS/1.3",
		"503 Service Unavailable\r\nRetry-After: 0\r\nRefresh: 0; url=http://internal.test/",
	} {
		t.Run(answer[:3], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				dial, calls := dialling(near)
				conn := wsstream.Dial(t.Context(), "ws://name:password@example.test/",
					&wsstream.DialOptions{NetDial: dial})
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ReadRequest()
				peer.SendRaw([]byte("HTTP/1.1 " + answer + "\r\nContent-Length: 0\r\n\r\n"))
				_, err := conn.Closed().Wait(t.Context())
				require.ErrorAs(t, err, new(*wsstream.HandshakeError))
				require.NotContains(t, err.Error(), "secret")
				require.NotContains(t, err.Error(), "password")
				peer.WantEOF("no second request")
				require.Equal(t, int64(1), calls.Load(), "no second connection")
			})
		})
	}
}

// evil is what a peer might want to write into a log or onto a terminal.
const evil = "x\r\n2026-01-01 forged line \x1b[2J\x1b]0;title\x07 \u202e\u009b31m"

func TestErrorShowsNoControlCharacterOfThePeer(t *testing.T) {
	shown := func(t *testing.T, err error) {
		t.Helper()
		require.Error(t, err)
		require.NotRegexp(t, `[\x00-\x1f\x7f-\x9f\x{202e}]`, err.Error())
		require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl))
	}
	t.Run("a reason", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v := attacked(t, nil)
			v.peer.Send(wstest.Close(4000, evil))
			_, err := v.conn.Readable().Pull(t.Context())
			shown(t, err)
		})
	})
	for name, line := range map[string]string{
		"Upgrade":    "Upgrade: x\x1b[2J",
		"Upgrade é":  "Upgrade: \u202e\u009b31m",
		"Connection": "Connection: \u202e\u009b31m",
		"Version":    "Sec-WebSocket-Version: \u202e\u009b31m",
		"Key":        "Sec-WebSocket-Key: \u202e\u009b31m",
		"Origin":     "Origin: https://\u202e\u009b31m",
		"Host":       "Host: \u202e\u009b31m",
		"Extensions": "Sec-WebSocket-Extensions: \u202e\u009b31m",
		"no colon":   "X\x1b[2J",
		"a name":     "X\x1b[2J: 1",
		"a length":   "Content-Length: \x1b[2J",
		"a coding":   "Transfer-Encoding: \u202e\u009b31m",
	} {
		t.Run("a request's "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				_, err := far.Write(request(line))
				require.NoError(t, err)
				require.NoError(t, far.CloseWrite())
				go func() { // ends with the connection
					_, _ = io.Copy(io.Discard, far)
					_ = far.Close()
				}()
				_, err = wsstream.AcceptConn(t.Context(), near, nil)
				shown(t, err)
			})
		})
	}
	t.Run("a request's first line", func(t *testing.T) {
		for _, first := range []string{
			"G\x1b[2J / HTTP/1.1", "GET /\x1b[2J HTTP/1.1", "GET / \x1b[2J", "\x1b[2J", "GET http://\x1b/ HTTP/1.1",
			"GET / HTTP/1.\u009b", "G\u202eT / HTTP/1.1", "GET %\u202e HTTP/1.1",
		} {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				raw := strings.Replace(string(wstest.UpgradeRequest("/")), "GET / HTTP/1.1", first, 1)
				_, err := far.Write([]byte(raw))
				require.NoError(t, err)
				require.NoError(t, far.Close())
				_, err = wsstream.AcceptConn(t.Context(), near, nil)
				shown(t, err)
			})
		}
	})
	for name, answer := range map[string]string{
		"status line": "HTTP/1.1 \x1b[2J no\r\n\r\n",
		"first word":  "\x1b[2J\r\n\r\n",
		"version":     "HTTP/\x1b[2J 200 OK\r\n\r\n",
		"reason":      "HTTP/1.1 400 \x1b[2J\r\n\r\n",
		"field":       "HTTP/1.1 400 no\r\nX\x1b[2J\r\n\r\n",
		"name":        "HTTP/1.1 400 no\r\nX\x1b[2J: 1\r\n\r\n",
		"length":      "HTTP/1.1 400 no\r\nContent-Length: \x1b[2J\r\n\r\n",
		"coding":      "HTTP/1.1 400 no\r\nTransfer-Encoding: \x1b[2J\r\n\r\n",
		"body":        "HTTP/1.1 400 no\r\n\r\n" + evil,
		"text":        "HTTP/1.1 400 no\r\nContent-Type: text/plain\r\n\r\n" + evil,
		"location":    "HTTP/1.1 302 no\r\nLocation: \u202e\u009b31m\r\n\r\n",
		"protocol": "HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: \u202e\u009b31m\r\n\r\n",
	} {
		t.Run("a response's "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				dial, _ := dialling(near)
				conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: dial})
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ReadRequest()
				peer.SendRaw([]byte(answer))
				peer.CloseWrite()
				_, err := conn.Closed().Wait(t.Context())
				shown(t, err)
			})
		})
	}
}
