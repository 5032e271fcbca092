package wsstream_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestDialFailsWithStatusHeaderAndBodyOfARefusal(t *testing.T) {
	long := strings.Repeat("because ", 1000)
	for _, status := range []int{200, 204, 301, 302, 307, 401, 403, 426, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, nil)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ReadRequest()
				peer.SendRaw(
					fmt.Appendf(
						nil,
						"HTTP/1.1 %d So\r\nLocation: ws://elsewhere.test/\r\nX-Why: so\r\nContent-Length: %d\r\n\r\n%s",
						status,
						len(long),
						long,
					),
				)
				failed, ok := errors.AsType[*wsstream.HandshakeError](notOpened(t, conn))
				require.True(t, ok)
				require.Equal(t, status, failed.Status)
				require.Equal(t, "so", failed.Header.Get("X-Why"))
				require.Equal(t, "ws://elsewhere.test/", failed.Header.Get("Location"))
				if status >= 200 && status != http.StatusNoContent { // those have no body
					require.Equal(t, long[:1<<10], string(failed.Body))
				}
				wantDropped(t, peer)
			})
		})
	}
}

func TestDialRefusesAnExtensionThatWasNotOffered(t *testing.T) {
	for _, answer := range []string{
		"Sec-WebSocket-Extensions: permessage-deflate",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15",
		"Sec-WebSocket-Extensions: x",
		"Sec-WebSocket-Extensions: \r\nSec-WebSocket-Extensions: x",
	} {
		t.Run(answer, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, nil)
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake(answer)
				require.Empty(t, req.Header.Values("Sec-WebSocket-Extensions"))
				require.ErrorContains(t, notOpened(t, conn), "extension")
			})
		})
	}
}

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
		{
			name:  "another Accept",
			extra: "Sec-WebSocket-Accept: " + wstest.AcceptKey("x"),
			says:  "Sec-WebSocket-Accept",
		},
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
		{
			name:   "Sec-WebSocket-Accept, and another",
			field:  "Sec-WebSocket-Accept",
			values: [2]string{"", "x"},
		},
		{name: "Sec-WebSocket-Protocol", field: "Sec-WebSocket-Protocol", values: [2]string{"a", "a"}},
		{
			name:   "Sec-WebSocket-Extensions",
			field:  "Sec-WebSocket-Extensions",
			values: [2]string{"permessage-deflate", "permessage-deflate"},
		},
		{
			name:   "Sec-WebSocket-Extensions, and an empty one",
			field:  "Sec-WebSocket-Extensions",
			values: [2]string{"permessage-deflate", " "},
		},
		{
			name:   "Connection is a list",
			field:  "Connection",
			values: [2]string{"keep-alive", "Upgrade, x"},
			opens:  true,
		},
		{
			name:   "Sec-WebSocket-Version is a server's word",
			field:  "Sec-WebSocket-Version",
			values: [2]string{"13", "8"},
			opens:  true,
		},
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

// A lateConn gives what it has read when the handshake's time is over.
type lateConn struct{ *memnet.Conn }

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	<-time.After(4 * time.Second)
	return n, err
}

// TestDialTellsARefusalWithWhatCameOfItsBody: the body has one moment to come, once the header
// is there.
func TestDialTellsARefusalWithWhatCameOfItsBody(t *testing.T) {
	const moment = 100 * time.Millisecond
	long := strings.Repeat("x", 1<<10)
	for _, tc := range []struct {
		name, answer, body string
		took               time.Duration
		hangsUp            bool
	}{
		{
			name:   "no length, and the connection stays open",
			answer: "X-Why: so\r\n\r\nlog in",
			body:   "log in",
			took:   moment,
		},
		{name: "no length, and nothing comes", answer: "\r\n", took: moment},
		{name: "no length, and the server hangs up", answer: "\r\nlog in", body: "log in", hangsUp: true},
		{
			name:   "less than its length",
			answer: "Content-Length: 100\r\n\r\nlog in",
			body:   "log in",
			took:   moment,
		},
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

// TestDialLimits1xxResponses: they are limited before a refusal, and where no other response
// follows.
func TestDialLimits1xxResponses(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		peer.SendRaw(
			[]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
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

func TestDialTellsAnEarlyRefusalInSpiteOfAWriteError(t *testing.T) {
	refuse := func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, 1))
		_, _ = io.WriteString(nc, tooLarge)
	}
	for name, tc := range map[string]struct {
		serve func(nc net.Conn)
		o     wsstream.DialOptions
	}{
		"a large request": {refuse, *large()},
		"one that the kernel takes": {
			refuse,
			wsstream.DialOptions{Header: http.Header{"X-Large": {strings.Repeat("x", 64<<10)}}},
		},
		"a small one": {refuse, wsstream.DialOptions{}},
		"nothing of it is read": {
			func(nc net.Conn) { _, _ = io.WriteString(nc, tooLarge) },
			*large(),
		},
		"nothing of a small one is": {
			func(nc net.Conn) { _, _ = io.WriteString(nc, tooLarge) },
			wsstream.DialOptions{},
		},
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

// In TLS 1.3 a client has done its handshake before the server has seen that there is no
// certificate.
func TestDialTellsTheAlertOfAServerThatWantsACertificate(t *testing.T) {
	srv := greeter(t, true, greet)
	config := &tls.Config{RootCAs: rootsOf(srv), ServerName: "example.com"}
	server := srv.TLS.Clone()
	server.ClientAuth = tls.RequireAndVerifyClientCert
	for name, o := range map[string]*wsstream.DialOptions{
		"a small request": {}, "a large one": large(),
	} {
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

func (numbConn) Write([]byte) (int, error) { return 0, errNumb }

var errNumb = errors.New("not a byte")

func TestDialTellsAWriteErrorIfNoAnswerComes(t *testing.T) {
	for name, o := range map[string]*wsstream.DialOptions{
		"direct": {}, "through a proxy": through("http://proxy.test"),
	} {
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
		{
			name:   "text",
			status: 401,
			kind:   "text/plain; charset=utf-8",
			body:   "  no\r\n\ttoken\n",
			want:   start + `401 Unauthorized): "no token"`,
		},
		{
			name:   "JSON",
			status: 403,
			kind:   "application/problem+json",
			body:   `{"a": 1}`,
			want:   start + `403 Forbidden): "{\"a\": 1}"`,
		},
		{name: "no type", status: 403, body: "a", want: start + `403 Forbidden): "a"`},
		{
			name:   "a type that is no text",
			status: 403,
			kind:   "image/png",
			body:   "a",
			want:   start + "403 Forbidden)",
		},
		{name: "no text", status: 403, body: "\x00\x01", want: start + "403 Forbidden)"},
		{
			name:   "no UTF-8",
			status: 403,
			kind:   "text/html",
			body:   "a\xff\xffbc",
			want:   start + "403 Forbidden)",
		},
		{name: "spaces", status: 403, body: " \r\n ", want: start + "403 Forbidden)"},
		{
			name:   "a long body",
			status: 403,
			body:   long,
			want:   start + `403 Forbidden): "` + long[:199] + `…"`,
		},
		{name: "a body that was cut", status: 403, body: "aä"[:2], want: start + `403 Forbidden): "a"`},
		{name: "a redirect", status: 302, location: "https://example.org/login", want: start + `302 Found, which leads to "https://example.org/login")`},
		{name: "a redirect with text", status: 308, location: "/feed/", body: "moved", want: start + `308 Permanent Redirect, which leads to "/feed/"): "moved"`},
		{name: "no redirect", status: 201, location: "/a", want: start + "201 Created)"},
		{name: "a redirect with a password", status: 302, location: "https://eve:secret@example.org/a", want: start + `302 Found, which leads to "https://example.org/a")`},
		{name: "a redirect that is no URL", status: 302, location: "https://eve:secret/%zz@example.org/", want: start + `302 Found, which leads to "https://example.org/")`},
		{
			name:     "a redirect without slashes",
			status:   302,
			location: "eve:secret@example.org",
			want:     start + `302 Found, which leads to "example.org")`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &wsstream.HandshakeError{
				Status: tc.status,
				Body:   []byte(tc.body),
				Err:    errors.New("not this way"),
				Header: http.Header{
					"Content-Type": {tc.kind}, "Location": {tc.location},
				},
			}
			require.EqualError(t, e, tc.want)
		})
	}
}

func TestHandshakeErrorShowsTheBodysStartAndTheRedirect(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		peer.SendRaw(
			[]byte(
				"HTTP/1.1 301 Moved Permanently\r\nLocation: ws://example.test/new\r\nContent-Length: 5\r\n\r\nmoved",
			),
		)
		require.ErrorContains(
			t,
			notOpened(t, conn),
			`(status 301 Moved Permanently, which leads to "ws://example.test/new"): "moved"`,
		)
	})
}

func TestDialRefusesMoreThan256Lines(t *testing.T) {
	for lines, fits := range map[int]bool{256: true, 400: false, 10_000: false} {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			conn := dialOver(t, near, &wsstream.DialOptions{MaxHandshakeSize: -1})
			peer := wstest.NewPeer(t, far, wstest.AsServer)
			answer := bytes.TrimSuffix(wstest.SwitchingProtocols(peer.ReadRequest()), []byte("\r\n"))
			answer = append(answer, strings.Repeat("a:\r\n", lines-3)...)
			if fits {
				peer.SendRaw(answer)
				peer.SendRaw([]byte("\r\n\x82\x7e\x03\xe8" + strings.Repeat("\n", 1000)))
				m, err := conn.Readable().Pull(patient(t))
				require.NoError(t, err)
				require.Len(t, m.Data, 1000)
				return
			}
			go func() { _, _ = far.Write(answer) }()
			require.ErrorContains(t, notOpened(t, conn), "the header has more than 256 lines")
		})
	}
}

func TestHandshakeTimeoutOfDialAndAccept(t *testing.T) {
	for name, tc := range map[string]struct{ timeout, want time.Duration }{
		"default": {0, 10 * time.Second},
		"set":     {20 * time.Second, 20 * time.Second}, // less than patient's
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				defer far.Close()
				start := time.Now()
				notOpened(t, dialOver(t, near, &wsstream.DialOptions{HandshakeTimeout: tc.timeout}))
				require.Equal(t, tc.want, time.Since(start))

				near, far = memnet.Pipe(0)
				go func() {
					_, _ = io.Copy(io.Discard, far)
					_ = far.Close() // or the refusal waits a second for that
				}()
				start = time.Now()
				_, err := wsstream.AcceptConn(t.Context(), near,
					&wsstream.AcceptOptions{HandshakeTimeout: tc.timeout})
				require.Error(t, err)
				require.Equal(t, tc.want, time.Since(start))
			})
		})
	}
}

func TestHandshakeTimeoutOfLessThanZeroIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := [2]*memnet.Conn{}
		d[0], d[1] = memnet.Pipe(0)
		d[0].Drip(1, time.Minute)
		d[1].Drip(1, time.Minute)
		start := time.Now()
		client := dialOver(t, d[0], &wsstream.DialOptions{HandshakeTimeout: -1})
		server, err := wsstream.AcceptConn(t.Context(), d[1],
			&wsstream.AcceptOptions{HandshakeTimeout: -1})
		require.NoError(t, err)
		defer func() { server.CloseNow(); <-server.Closed().Done() }()
		_, err = client.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Greater(t, time.Since(start), time.Hour)
	})
}
