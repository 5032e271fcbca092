package wstest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestHandshakeOfPeersLosesNoFrameBehindIt(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		request := UpgradeRequest("/feed?x=1", "Origin: http://example.org")
		client.SendRaw(append(request, client.Encode(Text("early"))...))
		req := server.ReadRequest()
		require.Equal(t, "/feed?x=1", req.RequestURI)
		require.Equal(t, "example.org", req.Host)
		require.Equal(t, "http://example.org", req.Header.Get("Origin"))
		server.SendRaw(append(SwitchingProtocols(req, "Sec-WebSocket-Protocol: chat"),
			server.Encode(Text("early too"))...))
		server.Want("the frame behind the request", Text("early"))
		res := client.ReadResponse()
		require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
		require.Equal(t, "chat", res.Header.Get("Sec-WebSocket-Protocol"))
		// RFC 6455, section 1.3.
		require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", res.Header.Get("Sec-WebSocket-Accept"))
		client.Want("the frame behind the response", Text("early too"))
	})
}

func TestHandshakeHalvesFitEachOther(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		path := make(chan string, 1)
		go func() { path <- server.ServeHandshake("X-Extra: 1").URL.Path }()
		res := client.DialHandshake("/feed", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
		require.Equal(t, "1", res.Header.Get("X-Extra"))
		require.Equal(t, "/feed", <-path)
		long := Binary(make([]byte, 2*handshakeLimit)) // the limit is for the handshake alone
		go client.Write(long, Ping("1"))
		server.Want("frames follow", long, Ping("1"))
	})
}

func TestUpgradeRequestReplacesAndRemovesLines(t *testing.T) {
	require.Equal(t, "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: "+key+"\r\n"+
		"sec-websocket-version: 8\r\nsec-websocket-version: 13\r\n\r\n",
		string(UpgradeRequest("/", "Host:", "sec-websocket-version: 8",
			"sec-websocket-version: 13")))
}

func TestServeHandshakeRejectsAnInvalidRequest(t *testing.T) {
	for _, tc := range []struct{ extra, says string }{
		{"Host:", "no Host"},
		{"Upgrade: h2c", "its Upgrade is [\"h2c\"]"},
		{"Upgrade:", "its Upgrade is []"},
		{"Connection: keep-alive", "its Connection is [\"keep-alive\"]"},
		{"Sec-WebSocket-Version: 8", "its Sec-WebSocket-Version is [\"8\"]"},
		{"Sec-WebSocket-Key: c2hvcnQ=", "its Sec-WebSocket-Key is [\"c2hvcnQ=\"]"},
		{"Sec-WebSocket-Key:", "its Sec-WebSocket-Key is []"},
	} {
		t.Run(tc.extra, func(t *testing.T) {
			served(t, string(UpgradeRequest("/", tc.extra)), tc.says)
		})
	}
	t.Run("POST", func(t *testing.T) {
		served(t, strings.Replace(string(UpgradeRequest("/")), "GET", "POST", 1),
			"its method is POST")
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		served(t, strings.Replace(string(UpgradeRequest("/")), "1.1", "1.0", 1),
			"its protocol is HTTP/1.0")
	})
	t.Run("too long", func(t *testing.T) {
		served(t, string(UpgradeRequest("/", "X: "+strings.Repeat("x", handshakeLimit))),
			"no request of at most 65536 bytes")
	})
	t.Run("none", func(t *testing.T) {
		served(t, "GET", "no request")
	})
}

// served gives a request to ServeHandshake and wants it to fail the test with says.
func served(t *testing.T, request, says string) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(1 << 20)
		_, err := io.WriteString(a, request)
		require.NoError(t, err)
		require.NoError(t, a.Close())
		require.Contains(t, failure(t, b, AsServer, func(p *Peer) { p.ServeHandshake() }), says)
	})
}

func TestDialHandshakeRejectsA101ThatDoesNotFit(t *testing.T) {
	for _, tc := range []struct{ extra, says string }{
		{"X: y", ""},
		{"Connection: keep-alive, uPGRADE", ""},
		{"Upgrade:", "its Upgrade is []"},
		{"Connection: keep-alive", "its Connection is [\"keep-alive\"]"},
		{
			"Sec-WebSocket-Accept: x",
			"its Sec-WebSocket-Accept is [\"x\"], not \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
		},
	} {
		t.Run(tc.extra, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				server := NewPeer(t, b, AsServer)
				go func() { server.ServeHandshake(tc.extra) }()
				got := failure(t, a, AsClient, func(p *Peer) { p.DialHandshake("/") })
				if tc.says == "" {
					require.Empty(t, got)
				} else {
					require.Contains(t, got, tc.says)
				}
			})
		})
	}
}

func TestDialHandshakeReturnsARefusal(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		server.SendRaw([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"))
		res := client.DialHandshake("/")
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "no!", string(body))
	})
}
