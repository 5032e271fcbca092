package wsstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestDialRefusesWhatIsNoHandshake(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start string // in the place of "HTTP/1.1 101"
		extra string // as wstest.SwitchingProtocols takes it
		says  string
	}{
		{name: "HTTP/1.0", start: "HTTP/1.0 101", says: "HTTP/1.0"},
		{name: "no Upgrade", extra: "Upgrade:", says: "Upgrade"},
		{name: "another Upgrade", extra: "Upgrade: h2c", says: "h2c"},
		{name: "another Upgrade beside ours", extra: "Upgrade: h2c, websocket", says: "h2c, websocket"},
		{name: "ours with a version", extra: "Upgrade: websocket/13", says: "websocket/13"},
		{name: "a letter that folds to one of ours", extra: "Upgrade: webſocket", says: "Upgrade"},
		{name: "another that does", extra: "Upgrade: websocKet", says: "Upgrade"},
		{name: "no Connection", extra: "Connection:", says: "Connection"},
		{name: "another Connection", extra: "Connection: keep-alive", says: "keep-alive"},
		{name: "no Accept", extra: "Sec-WebSocket-Accept:", says: "Sec-WebSocket-Accept"},
		{name: "another Accept", extra: "Sec-WebSocket-Accept: " + wstest.AcceptKey("x"), says: "Sec-WebSocket-Accept"},
		{name: "an extension", extra: "Sec-WebSocket-Extensions: permessage-deflate", says: "extension"},
		{name: "a subprotocol", extra: "Sec-WebSocket-Protocol: chat", says: "none was offered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, nil)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				extra := []string{tc.extra}
				if tc.extra == "" {
					extra = nil
				}
				answer := string(wstest.SwitchingProtocols(peer.ReadRequest(), extra...))
				if tc.start != "" {
					answer = strings.Replace(answer, "HTTP/1.1 101", tc.start, 1)
				}
				peer.SendRaw([]byte(answer))
				err := notOpened(t, conn)
				require.ErrorContains(t, err, tc.says)
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, 101, failed.Status)
				wantDropped(t, peer)
			})
		})
	}
}

func TestDialRefusesRepeatedFields(t *testing.T) {
	for _, tc := range []struct {
		name, field string
		values      [2]string // empty: what the handshake has
		opens       bool
	}{
		{name: "Upgrade", field: "Upgrade", values: [2]string{"websocket", "websocket"}},
		{name: "Upgrade, and another", field: "Upgrade", values: [2]string{"websocket", "h2c"}},
		{name: "Upgrade, and an empty one", field: "Upgrade", values: [2]string{"websocket", " "}},
		{name: "Sec-WebSocket-Accept", field: "Sec-WebSocket-Accept"},
		{name: "Sec-WebSocket-Accept, and another", field: "Sec-WebSocket-Accept", values: [2]string{"", "x"}},
		{name: "Sec-WebSocket-Protocol", field: "Sec-WebSocket-Protocol", values: [2]string{"a", "a"}},
		{name: "Sec-WebSocket-Extensions", field: "Sec-WebSocket-Extensions", values: [2]string{"permessage-deflate", "permessage-deflate"}},
		{name: "Sec-WebSocket-Extensions, and an empty one", field: "Sec-WebSocket-Extensions", values: [2]string{"permessage-deflate", " "}},
		{name: "Connection is a list", field: "Connection", values: [2]string{"keep-alive", "Upgrade, x"}, opens: true},
		{name: "Sec-WebSocket-Version is a server's word", field: "Sec-WebSocket-Version", values: [2]string{"13", "8"}, opens: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{
					Subprotocols:        []string{"a"},
					SubprotocolOptional: true,
					Compression:         &wsstream.CompressionOptions{},
				})
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				req := peer.ReadRequest()
				var lines []string
				for _, v := range tc.values {
					if v == "" {
						v = wstest.AcceptKey(req.Header.Get("Sec-WebSocket-Key"))
					}
					lines = append(lines, tc.field+": "+v)
				}
				peer.SendRaw(wstest.SwitchingProtocols(req, lines...))
				if tc.opens {
					_, err := conn.Opened().Wait(patient(t))
					require.NoError(t, err)
					return
				}
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, notOpened(t, conn), &failed)
				require.Equal(t, 101, failed.Status)
			})
		})
	}
}

func TestDialFailsIfTheAnswerIsNotHTTP(t *testing.T) {
	for name, answer := range map[string]string{
		"garbage":              "\x16\x03\x01\x02 garbage\r\n\r\n",
		"no status":            "HTTP/1.1\r\n\r\n",
		"a header cut short":   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs",
		"a field that is none": "HTTP/1.1 101 Switching Protocols\r\nUpgrade websocket\r\n\r\n",
		"nothing":              "",
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, nil)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ReadRequest()
				peer.SendRaw([]byte(answer))
				peer.Close() // hangs up
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, notOpened(t, conn), &failed)
				require.Zero(t, failed.Status)
				require.Nil(t, failed.Header)
			})
		})
	}
}

func TestDialFailsIfTheHeaderIsOver64KiB(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		flooded := make(chan error, 1)
		go func() {
			_, err := io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\n")
			for err == nil {
				_, err = io.WriteString(far, "X-More: and more and more and more and more\r\n")
			}
			flooded <- err
		}()
		err := notOpened(t, conn)
		require.ErrorAs(t, err, new(*wsstream.HandshakeError))
		require.ErrorContains(t, err, "MaxHandshakeSize, 65536 bytes")
		require.Error(t, <-flooded)
	})
}

func TestDialFailsAfterHandshakeTimeout(t *testing.T) {
	for name, prepare := range map[string]func(peer *wstest.Peer, far *memnet.Conn){
		"nothing is answered": func(*wstest.Peer, *memnet.Conn) {},
		"nothing is read":     func(_ *wstest.Peer, far *memnet.Conn) {},
		"the answer is dripped": func(peer *wstest.Peer, far *memnet.Conn) {
			far.Drip(1, time.Second)
			peer.SendRaw([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(map[bool]int{true: 10}[name == "nothing is read"])
				prepare(wstest.NewPeer(t, far, wstest.AsServer), far)
				start := time.Now()
				err := notOpened(t, dialOver(t, near, &wsstream.DialOptions{HandshakeTimeout: 3 * time.Second}))
				require.ErrorAs(t, err, new(*wsstream.HandshakeError))
				require.ErrorContains(t, err, "HandshakeTimeout")
				require.Equal(t, 3*time.Second, time.Since(start))
				require.True(t, near.Closed())
			})
		})
	}
}

func TestDialFailsIfTheHandshakeIsDoneTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		conn := dialOver(t, lateConn{near}, &wsstream.DialOptions{HandshakeTimeout: 3 * time.Second})
		wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
		require.ErrorContains(t, notOpened(t, conn), "HandshakeTimeout")
		require.True(t, near.Closed())
	})
}

// A lateConn gives what it has read when nobody expects it any more.
type lateConn struct{ *memnet.Conn }

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	<-time.After(4 * time.Second)
	return n, err
}

func TestDialTellsARefusalWithWhatCameOfItsBody(t *testing.T) {
	const moment = 100 * time.Millisecond
	long := strings.Repeat("x", 1<<10)
	for _, tc := range []struct {
		name, answer, body string
		took               time.Duration
		hangsUp            bool
	}{
		{name: "no length, and the connection stays open", answer: "X-Why: so\r\n\r\nlog in", body: "log in", took: moment},
		{name: "no length, and nothing comes", answer: "\r\n", took: moment},
		{name: "no length, and the server hangs up", answer: "\r\nlog in", body: "log in", hangsUp: true},
		{name: "less than its length", answer: "Content-Length: 100\r\n\r\nlog in", body: "log in", took: moment},
		{name: "a chunk that never ends", answer: "Transfer-Encoding: chunked\r\n\r\n6\r\nlog in\r\n", body: "log in", took: moment},
		{name: "chunks that end", answer: "Transfer-Encoding: chunked\r\n\r\n6\r\nlog in\r\n0\r\n\r\n", body: "log in"},
		{name: "all of it", answer: "Content-Length: 6\r\n\r\nlog in", body: "log in"},
		{name: "no body", answer: "Content-Length: 0\r\n\r\n"},
		{name: "what fits, and more", answer: "\r\n" + long + "more", body: long},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				conn := dialOver(t, near, &wsstream.DialOptions{HandshakeTimeout: time.Hour})
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ReadRequest()
				start := time.Now()
				peer.SendRaw([]byte("HTTP/1.1 401 Unauthorized\r\n" + tc.answer))
				if tc.hangsUp {
					peer.Close()
				}
				var failed *wsstream.HandshakeError
				require.ErrorAs(t, notOpened(t, conn), &failed)
				require.Equal(t, 401, failed.Status)
				require.Equal(t, tc.body, string(failed.Body))
				require.Equal(t, tc.took, time.Since(start))
				require.True(t, near.Closed())
			})
		})
	}
}

func TestDialTellsARefusalWhoseBodyComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		conn := dialOver(t, near, &wsstream.DialOptions{HandshakeTimeout: time.Second})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		<-time.After(time.Second - time.Millisecond)
		peer.SendRaw([]byte("HTTP/1.1 401 Unauthorized\r\n\r\nlog in"))
		var failed *wsstream.HandshakeError
		require.ErrorAs(t, notOpened(t, conn), &failed)
		require.Equal(t, 401, failed.Status)
		require.Equal(t, "log in", string(failed.Body))
	})
}

// Responses of 1xx say nothing of the final one (RFC 9110, section 15.2).
func TestDialSkips1xxResponsesBeforeThe101(t *testing.T) {
	hints := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: hint=1\r\nSec-WebSocket-Accept: x\r\n\r\n"
	for name, before := range map[string]string{
		"100":              "HTTP/1.1 100 Continue\r\n\r\n",
		"102":              "HTTP/1.1 102 Processing\r\n\r\n",
		"103":              hints,
		"several":          "HTTP/1.1 100 Continue\r\n\r\n" + hints + hints,
		"one that is new":  "HTTP/1.1 199 New\r\n\r\n",
		"one of HTTP/1.0":  "HTTP/1.0 100 Continue\r\n\r\n",
		"one with a field": "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", // a 1xx has no body
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				jar, err := cookiejar.New(nil)
				require.NoError(t, err)
				conn := dialOver(t, near, &wsstream.DialOptions{Jar: jar})
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				req := peer.ReadRequest()
				peer.SendRaw(append([]byte(before), wstest.SwitchingProtocols(req, "Set-Cookie: final=1")...))
				peer.Send(wstest.Text("hello"))
				m, err := conn.Readable().Pull(patient(t))
				require.NoError(t, err)
				require.Equal(t, "hello", string(m.Data))
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.NotContains(t, opened.Header, "Link")
				cookies := jar.Cookies(&url.URL{Scheme: "http", Host: "example.test"})
				require.Len(t, cookies, 1)
				require.Equal(t, "final", cookies[0].Name)
			})
		})
	}
}

func TestDialLimits1xxResponses(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		peer.SendRaw([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
		var failed *wsstream.HandshakeError
		require.ErrorAs(t, notOpened(t, conn), &failed)
		require.Equal(t, 403, failed.Status)
		require.Equal(t, "no", string(failed.Body))
	})
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, &wsstream.DialOptions{MaxHandshakeSize: 1000})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		flooded := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				_, err = io.WriteString(far, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			flooded <- err
		}()
		require.ErrorContains(t, notOpened(t, conn), "MaxHandshakeSize, 1000 bytes")
		require.Error(t, <-flooded)
	})
}

func TestDialReturnsTheErrorOfNetDial(t *testing.T) {
	var d dialled
	err := notOpened(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: d.dial}))
	require.ErrorAs(t, err, new(*wsstream.HandshakeError))
	require.ErrorIs(t, err, errNoRoute)
}

func TestDialFailsWhereNoServerListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	err = notOpened(t, wsstream.Dial(t.Context(), "ws://"+l.Addr().String(), nil))
	require.ErrorAs(t, err, new(*wsstream.HandshakeError))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestDialSendsWhatTheURLAndTheHeaderSay(t *testing.T) {
	for _, tc := range []struct{ url, uri, host string }{
		{"ws://example.test", "/", "example.test"},
		{"ws://example.test?a=b", "/?a=b", "example.test"},
		{"ws://example.test:8080/a%20b/?c=%2F", "/a%20b/?c=%2F", "example.test:8080"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{
					Header:  http.Header{"Cookie": {"a=b"}, "X-Two": {"1", "2"}, "Origin": {"https://example.org"}},
					NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				})
				defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
				require.Equal(t, tc.uri, req.RequestURI)
				require.Equal(t, tc.host, req.Host)
				require.Equal(t, "a=b", req.Header.Get("Cookie"))
				require.Equal(t, []string{"1", "2"}, req.Header.Values("X-Two"))
				require.Equal(t, "https://example.org", req.Header.Get("Origin"))
				require.NotContains(t, req.Header, "User-Agent")
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
			})
		})
	}
}

func TestDialMakesANewKeyEachTime(t *testing.T) {
	seen := map[string]bool{}
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		dialOver(t, near, nil)
		key := wstest.NewPeer(t, far, wstest.AsServer).ReadRequest().Header.Get("Sec-WebSocket-Key")
		require.False(t, seen[key])
		seen[key] = true
	})
}

// greet says hello and closes.
var greet = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	conn, err := wsstream.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	_ = conn.Writable().Write(r.Context(), wsstream.Text("hello from "+conn.URL()))
	_ = conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
})

func TestDialOverTLS(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "a server that speaks HTTP/2 too": true} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(greet)
			srv.EnableHTTP2 = h2
			srv.StartTLS()
			defer srv.Close()
			roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			conn := wsstream.Dial(t.Context(), srv.URL+"/x", &wsstream.DialOptions{TLSConfig: &tls.Config{RootCAs: roots}})
			defer conn.CloseNow()
			url := strings.Replace(srv.URL, "https", "wss", 1) + "/x"
			require.Equal(t, url, conn.URL())
			m, err := conn.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, "hello from "+url, string(m.Data))
			info, err := conn.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, 1000, info.Code)
		})
	}
}

func TestDialRefusesAnUnknownCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(greet)
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	defer srv.Close()
	err := notOpened(t, wsstream.Dial(t.Context(), srv.URL, nil))
	require.ErrorAs(t, err, new(*wsstream.HandshakeError))
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	require.True(t, ok, "%v", err)
}

func TestDialRefusesACertificateForAnotherHost(t *testing.T) {
	srv := httptest.NewUnstartedServer(greet)
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	defer srv.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	err := notOpened(t, wsstream.Dial(t.Context(), "wss://elsewhere.test/", &wsstream.DialOptions{
		TLSConfig: &tls.Config{RootCAs: roots},
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}))
	require.ErrorContains(t, err, "elsewhere.test")
}
