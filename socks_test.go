package wsstream_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// socksName asks for example.test:80 by its name (RFC 1928, section 4).
const (
	socksName = "\x05\x01\x00\x03\x0cexample.test\x00\x50"
	socksDone = "\x05\x00\x00\x01\x7f\x00\x00\x01\x30\x39"
)

// dialThrough starts a handshake with url on nc, through a proxy.
func dialThrough(t *testing.T, nc net.Conn, proxy, url string) *wsstream.Conn {
	o := through(proxy)
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	conn := wsstream.Dial(t.Context(), url, o)
	t.Cleanup(func() {
		conn.CloseNow()
		<-conn.Closed().Done()
	})
	return conn
}

// TestSOCKSProxyIsAskedForTheName: it gets the credentials of the URL.
func TestSOCKSProxyIsAskedForTheName(t *testing.T) {
	for _, tc := range []struct {
		name, proxy, url string
		script           []string // what it is sent, what it answers, and so on
	}{
		{
			"a name",
			"socks5://proxy.test",
			"ws://example.test",
			[]string{"\x05\x01\x00", "\x05\x00", socksName, socksDone},
		},
		{
			"a name, by socks5h",
			"socks5h://proxy.test:9050",
			"ws://example.test",
			[]string{"\x05\x01\x00", "\x05\x00", socksName, socksDone},
		},
		{
			"IPv4", "socks5://proxy.test", "ws://192.0.2.1:8080",
			[]string{"\x05\x01\x00", "\x05\x00", "\x05\x01\x00\x01\xc0\x00\x02\x01\x1f\x90", socksDone},
		},
		{
			"IPv6", "socks5://proxy.test", "ws://[2001:db8::1]",
			[]string{
				"\x05\x01\x00",
				"\x05\x00",
				"\x05\x01\x00\x04\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x00\x50",
				socksDone,
			},
		},
		{
			"credentials", "socks5://eve:secret@proxy.test", "ws://example.test",
			[]string{
				"\x05\x02\x00\x02",
				"\x05\x02",
				"\x01\x03eve\x06secret",
				"\x01\x00",
				socksName,
				socksDone,
			},
		},
		{
			"credentials that are not asked for", "socks5://eve:secret@proxy.test", "ws://example.test",
			[]string{"\x05\x02\x00\x02", "\x05\x00", socksName, socksDone},
		},
		{
			"an answer with a name", "socks5://proxy.test", "ws://example.test",
			[]string{"\x05\x01\x00", "\x05\x00", socksName, "\x05\x00\x00\x03\x04exit\x30\x39"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialThrough(t, near, tc.proxy, tc.url)
				for i := 0; i < len(tc.script); i += 2 {
					wantBytes(t, far, tc.script[i])
					_, err := far.Write([]byte(tc.script[i+1]))
					require.NoError(t, err)
				}
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.ServeHandshake()
				peer.Send(wstest.Text("hello"))
				m, err := conn.Readable().Pull(patient(t))
				require.NoError(t, err)
				require.Equal(t, "hello", string(m.Data))
			})
		})
	}
}

func TestSOCKSProxyAnswers(t *testing.T) {
	greeting, credentials := "\x05\x02\x00\x02", "\x01\x03eve\x06secret"
	for _, tc := range []struct {
		says   string
		script []string // as above; the last answer is the bad one, and then it hangs up
	}{
		{"no acceptable authentication methods", []string{greeting, "\x05\xff"}},
		{"unsupported authentication method", []string{greeting, "\x05\x07"}},
		{"unexpected protocol version 4", []string{greeting, "\x04\x00"}},
		{"unexpected protocol version 72", []string{greeting, "HTTP/1.1 400 Bad Request\r\n\r\n"}},
		{"EOF", []string{greeting, ""}},
		{"EOF", []string{greeting, "\x05"}},
		{
			"username/password authentication failed",
			[]string{greeting, "\x05\x02", credentials, "\x01\x01"},
		},
		{"invalid username/password version", []string{greeting, "\x05\x02", credentials, "\x05\x00"}},
		{
			"general SOCKS server failure",
			[]string{greeting, "\x05\x00", socksName, "\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"connection not allowed by ruleset",
			[]string{greeting, "\x05\x00", socksName, "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"network unreachable",
			[]string{greeting, "\x05\x00", socksName, "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"host unreachable",
			[]string{greeting, "\x05\x00", socksName, "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"connection refused",
			[]string{greeting, "\x05\x00", socksName, "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"unknown code: 153",
			[]string{greeting, "\x05\x00", socksName, "\x05\x99\x00\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"non-zero reserved field",
			[]string{greeting, "\x05\x00", socksName, "\x05\x00\x01\x01\x00\x00\x00\x00\x00\x00"},
		},
		{
			"unknown address type 9",
			[]string{greeting, "\x05\x00", socksName, "\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00"},
		},
		{"EOF", []string{greeting, "\x05\x00", socksName, "\x05\x00\x00\x01\x7f"}},
	} {
		t.Run(tc.says, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialThrough(t, near, "socks5h://eve:secret@proxy.test", "ws://example.test/")
				for i := 0; i < len(tc.script); i += 2 {
					wantBytes(t, far, tc.script[i])
					_, err := far.Write([]byte(tc.script[i+1]))
					require.NoError(t, err)
				}
				require.NoError(t, far.Close())
				no := refusedBy(t, conn, "socks5h://proxy.test")
				require.ErrorContains(t, no, tc.says)
				require.Zero(t, no.Status)
				_, err := near.Write([]byte("x"))
				require.ErrorIs(t, err, net.ErrClosed)
			})
		})
	}
}

func TestSOCKSProxyHasNoRoomForALongName(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialThrough(t, near, "socks5://proxy.test", "ws://"+strings.Repeat("a.", 130)+"test")
		wantBytes(t, far, "\x05\x01\x00")
		wstest.NewPeer(t, far, wstest.AsServer).SendRaw([]byte("\x05\x00"))
		require.ErrorContains(t, refusedBy(t, conn, "socks5://proxy.test"), "FQDN too long")
	})
}
