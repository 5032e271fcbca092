package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// Opening, line by line.

var errNoRoute = errors.New("no route")

// A dialled NetDial counts its calls and connects to nobody.
type dialled struct {
	calls atomic.Int32
	addr  string // of the last call; it is read after the handshake has failed
}

func (d *dialled) dial(_ context.Context, _, addr string) (net.Conn, error) {
	d.calls.Add(1)
	d.addr = addr
	return nil, errNoRoute
}

func TestURLWithHTTPSchemeBecomesAWebSocketURL(t *testing.T) {
	for _, tc := range []struct{ url, want, addr string }{
		{"ws://example.test/a?b=c", "ws://example.test/a?b=c", "example.test:80"},
		{"http://example.test/a", "ws://example.test/a", "example.test:80"},
		{"wss://example.test/", "wss://example.test/", "example.test:443"},
		{"https://example.test/", "wss://example.test/", "example.test:443"},
		{"HTTPS://example.test:8443/", "wss://example.test:8443/", "example.test:8443"},
		{"ws://[::1]/", "ws://[::1]/", "[::1]:80"},
		{"ws://[::1]:81/", "ws://[::1]:81/", "[::1]:81"},
		{"ws://example.test", "ws://example.test", "example.test:80"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			var d dialled
			conn := wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{NetDial: d.dial})
			require.Equal(t, tc.want, conn.URL())
			require.ErrorIs(t, notOpened(t, conn), errNoRoute)
			require.Equal(t, tc.addr, d.addr)
		})
	}
}

func TestURLThatIsRefusedDialsNothing(t *testing.T) {
	for _, tc := range []struct{ url, says string }{
		{"ftp://example.test/", "scheme"},
		{"file:///etc/hosts", "scheme"},
		{"example.test:80", "scheme"},
		{"ws:example.test", "no host"},
		{"//example.test/", "relative"},
		{"/feed", "relative"},
		{"", "relative"},
		{"ws:///feed", "no host"},
		{"ws://:80/", "no host"},
		{"ws://example.test/#top", "fragment"},
		{"ws://example.test/#", "fragment"},
		{"ws://exa mple.test/", "URL"},
		{"ws://example.test/\r\nX: y", "URL"},
		{"ws://example.test:port/", "URL"},
		{"ws://example.test:65536/", "port"},
		{"wss://[::1]:123456789012345678901/", "port"},
		{"ws://example.test/%zz", "URL"},
		{"://", "URL"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			var d dialled
			err := notOpened(t, wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{NetDial: d.dial}))
			require.ErrorContains(t, err, "URL")
			require.ErrorContains(t, err, tc.says)
			requirePlain(t, err)
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestSubprotocolIsOneTokenAndAppearsOnce(t *testing.T) {
	for _, tc := range []struct {
		protocols []string
		says      string
	}{
		{[]string{""}, "token"},
		{[]string{"a b"}, "token"},
		{[]string{"a,b"}, "token"},
		{[]string{`"x"`}, "token"},
		{[]string{"é"}, "token"},
		{[]string{"a\x7f"}, "token"},
		{[]string{"a\r\nX: y"}, "token"},
		{[]string{"a", "b", "a"}, "twice"},
		{[]string{"chat", "Chat"}, "twice"},
	} {
		t.Run(strings.Join(tc.protocols, " "), func(t *testing.T) {
			var d dialled
			err := notOpened(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{Subprotocols: tc.protocols, NetDial: d.dial}))
			require.ErrorContains(t, err, "Subprotocols")
			require.ErrorContains(t, err, tc.says)
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestSubprotocolMayUseEveryTokenCharacter(t *testing.T) {
	const all = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{all}})
		wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake("Sec-WebSocket-Protocol: " + all)
		opened, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, all, opened.Protocol)
	})
}

func TestSubprotocolThatIsNoTokenIsOfferedWhereAllowed(t *testing.T) {
	for _, name := range []string{"ZWS2.0/NULL", "{x}", "https://example.org/v1?a=b;c", "Bearer:a/b+c=="} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{name, "ZWS2.0"}})
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake("Sec-WebSocket-Protocol: " + name)
				require.Equal(t, []string{name + ", ZWS2.0"}, req.Header.Values("Sec-WebSocket-Protocol"))
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, name, opened.Protocol)
			})
		})
	}
}

func TestSubprotocolMayBeMissingInTheAnswerWhereOptional(t *testing.T) {
	for _, tc := range []struct{ name, answer, want, says string }{
		{name: "none", answer: "X-Nothing: here"},
		{name: "one of them", answer: "Sec-WebSocket-Protocol: a", want: "a"},
		{name: "another", answer: "Sec-WebSocket-Protocol: d", says: "not one of"},
		{name: "two", answer: "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b", says: "not one of"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{"b", "a"}, SubprotocolOptional: true})
				wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake(tc.answer)
				if tc.says != "" {
					require.ErrorContains(t, notOpened(t, conn), tc.says)
					return
				}
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, tc.want, opened.Protocol)
			})
		})
	}
}

func TestSubprotocolOfTheAnswerMustBeOneThatWasOffered(t *testing.T) {
	for _, tc := range []struct{ name, answer, want string }{
		{"the first", "Sec-WebSocket-Protocol: b", "b"},
		{"the last", "Sec-WebSocket-Protocol: c", "c"},
		{"none", "X-Nothing: here", ""},
		{"an empty one", "Sec-WebSocket-Protocol: ", ""},
		{"another", "Sec-WebSocket-Protocol: d", ""},
		{"another by case", "Sec-WebSocket-Protocol: B", ""},
		{"two in one field", "Sec-WebSocket-Protocol: b, a", ""},
		{"two fields", "Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Protocol: a", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{"b", "a", "c"}})
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake(tc.answer)
				require.Equal(t, []string{"b, a, c"}, req.Header.Values("Sec-WebSocket-Protocol"))
				if tc.want == "" {
					require.ErrorContains(t, notOpened(t, conn), "the server chose")
					return
				}
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, tc.want, opened.Protocol)
			})
		})
	}
}

func TestDialFailsWithStatusHeaderAndBodyOfARefusal(t *testing.T) {
	long := strings.Repeat("because ", 1000)
	for _, status := range []int{200, 204, 301, 302, 307, 401, 403, 426, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, nil)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ReadRequest()
				peer.SendRaw(fmt.Appendf(nil, "HTTP/1.1 %d So\r\nLocation: ws://elsewhere.test/\r\nX-Why: so\r\nContent-Length: %d\r\n\r\n%s", status, len(long), long))
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

func TestDialWithAnEndedContextDialsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errReason)
	var d dialled
	conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{NetDial: d.dial})
	require.Equal(t, errReason, notOpened(t, conn))
	require.Zero(t, d.calls.Load())
}

func TestDialDropsTheTransportWhenItsContextEnds(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		ctx, cancel := context.WithCancelCause(t.Context())
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		pulled := goDo(func() (wsstream.Message, error) { return conn.Readable().Pull(patient(t)) })
		cancel(errReason)
		require.Equal(t, errReason, notOpened(t, conn))
		require.Equal(t, errReason, (<-pulled).err)
		require.Equal(t, errReason, conn.Writable().Write(t.Context(), wsstream.Text("x")))
		peer.WantEOF("the transport is dropped")
	})
}

func TestDialEndsNetDialWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		synctest.Wait()
		cancel(errReason)
		require.Equal(t, errReason, notOpened(t, conn))
	})
}

func TestDialsContextDoesNothingAfterOpening(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ServeHandshake()
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		cancel()
		peer.Send(wstest.Text("still here"))
		m, err := conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, "still here", string(m.Data))
		require.NoError(t, conn.Writable().Write(patient(t), wsstream.Text("so am I")))
		peer.Want("it is sent", wstest.Text("so am I"))
	})
}

func TestDialKeepsFramesThatComeWithThe101(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		packet := wstest.SwitchingProtocols(peer.ReadRequest())
		for _, f := range []wstest.Frame{wstest.Text("one"), wstest.Ping("p"), wstest.Text("t").Part(), wstest.Cont([]byte("wo"), true)} {
			packet = append(packet, peer.Encode(f)...)
		}
		peer.SendRaw(packet)
		for _, want := range []string{"one", "two"} {
			m, err := conn.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, want, string(m.Data))
		}
		peer.Want("the ping is answered", wstest.Pong("p"))
	})
}

func TestDialOpensAndClosesIfACloseComesWithThe101(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.SendRaw(append(wstest.SwitchingProtocols(peer.ReadRequest()), peer.Encode(wstest.Close(1001, "busy"))...))
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		peer.WantClose("the Close is answered", 1001)
		peer.Close()
		info, err := conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 1001, Reason: "busy"}, info)
		_, err = conn.Readable().Pull(t.Context())
		told(1001, "busy")(t, nil, err)
	})
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

func TestURLUserinfoBecomesBasicCredentials(t *testing.T) {
	for _, tc := range []struct{ url, user, password string }{
		{"ws://user:pass@example.test/", "user", "pass"},
		{"ws://user@example.test/", "user", ""},
		{"ws://us%40er:p%3Ass@example.test/", "us@er", "p:ss"},
		{"ws://:pass@example.test/", "", "pass"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				header := http.Header{}
				conn := wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{
					Header:  header,
					NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				})
				defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
				require.Equal(t, "ws://example.test/", conn.URL())
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
				user, password, ok := req.BasicAuth()
				require.True(t, ok)
				require.Equal(t, [2]string{tc.user, tc.password}, [2]string{user, password})
				require.Empty(t, header, "the caller's header is not touched")
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
			})
		})
	}
}

func TestURLUserinfoYieldsToTheCallersAuthorization(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := wsstream.Dial(t.Context(), "ws://user:pass@example.test/", &wsstream.DialOptions{
			Header:  http.Header{"Authorization": {"Bearer x"}},
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
		req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
		require.Equal(t, []string{"Bearer x"}, req.Header.Values("Authorization"))
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
	})
}

func TestDialRefusesHeaderFieldsOfTheHandshake(t *testing.T) {
	for _, field := range []string{
		"Host", "host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer",
		"Sec-WebSocket-Key", "sec-websocket-version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Sec-WebSocket-Accept",
	} {
		t.Run(field, func(t *testing.T) {
			var d dialled
			h := http.Header{field: {"x"}}
			err := notOpened(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{Header: h, NetDial: d.dial}))
			require.ErrorContains(t, err, "Header: the field")
			require.Zero(t, d.calls.Load())
		})
	}
}

// wantDropped waits for the end of the transport: nothing comes before it. TCP resets one with unread input.
func wantDropped(t *testing.T, peer *wstest.Peer) {
	t.Helper()
	f, err := peer.Next()
	require.Error(t, err, "%v", f)
	require.True(t, err == io.EOF || errors.Is(err, syscall.ECONNRESET), "%v", err)
}

// requirePlain requires an error of the call, not of a connection.
func requirePlain(t *testing.T, err error) {
	t.Helper()
	_, handshake := errors.AsType[*wsstream.HandshakeError](err)
	_, end := errors.AsType[*wsstream.Error](err)
	require.False(t, handshake || end, "%#v", err)
	require.ErrorContains(t, err, "wsstream: ")
}
