package wsstream_test

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// resolver returns one that knows the addresses of all names, over DNS on loopback.
func resolver(t *testing.T, addrs ...net.IP) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, err := answerDNS(buf[:n], addrs); err == nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func answerDNS(question []byte, addrs []net.IP) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, ip := range addrs {
		q := m.Questions[0]
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}}
		switch ip4 := ip.To4(); {
		case ip4 != nil && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: [4]byte(ip4)}
		case ip4 == nil && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: [16]byte(ip)}
		default:
			continue
		}
		m.Answers = append(m.Answers, r)
	}
	return m.Pack()
}

func TestNetDialResolverTriesAllAddresses(t *testing.T) {
	srv := httptest.NewServer(greet) // on 127.0.0.1, not on ::1
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	d := &net.Dialer{Resolver: resolver(t, net.IPv6loopback, net.IPv4(127, 0, 0, 1))}
	var dialled string
	conn := wsstream.Dial(t.Context(), "ws://feed.test.:"+port, &wsstream.DialOptions{
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled = network + " " + addr
			return d.DialContext(ctx, network, addr)
		},
	})
	defer conn.CloseNow()
	_, err = conn.Readable().Pull(patient(t))
	require.NoError(t, err)
	require.Equal(t, "tcp feed.test.:"+port, dialled)
}

func TestNetDialOfAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	srv := &http.Server{Handler: greet}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	conn := wsstream.Dial(t.Context(), "ws://localhost/x", &wsstream.DialOptions{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	})
	defer conn.CloseNow()
	m, err := conn.Readable().Pull(patient(t))
	require.NoError(t, err)
	require.Equal(t, "hello from ws://localhost/x", string(m.Data))
	_, err = conn.Closed().Wait(patient(t))
	require.NoError(t, err)
	require.NoError(t, srv.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

func TestJarGivesAndTakesCookies(t *testing.T) {
	set := "Set-Cookie: session=2; Path=/; HttpOnly"
	for name, answer := range map[string]func(p *wstest.Peer, r *http.Request){
		"101": func(p *wstest.Peer, r *http.Request) { p.SendRaw(wstest.SwitchingProtocols(r, set)) },
		"a refusal": func(p *wstest.Peer, _ *http.Request) {
			p.SendRaw([]byte("HTTP/1.1 401 Log in\r\n" + set + "\r\nContent-Length: 0\r\n\r\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, tc := range []struct{ url, host string }{
				{"ws://example.test/a", ""},
				{"ws://127.0.0.1:8080/a", "example.test"},
			} {
				jar, err := cookiejar.New(nil)
				require.NoError(t, err)
				u := &url.URL{Scheme: "http", Host: "example.test", Path: "/a"}
				onBothPaths(t, func(t *testing.T, near, far net.Conn) {
					jar.SetCookies(u, []*http.Cookie{
						{Name: "session", Value: "1", Path: "/"},
						{Name: "elsewhere", Value: "1", Path: "/b"},
						{Name: "safe", Value: "1", Path: "/", Secure: true},
					})
					conn := wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{
						Jar:     jar,
						Host:    tc.host,
						Header:  http.Header{"Cookie": {"mine=1"}},
						NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
					})
					defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
					peer := wstest.NewPeer(t, far, wstest.AsServer)
					r := peer.ReadRequest()
					require.Equal(t, "example.test", r.Host)
					require.Equal(t, []string{"mine=1; session=1"}, r.Header.Values("Cookie"))
					answer(peer, r)
					_, _ = conn.Opened().Wait(patient(t))
					require.Equal(t, "session=2", jar.Cookies(u)[0].String())
				})
			}
		})
	}
}

func TestJarGivesSecureCookiesUnderWSS(t *testing.T) {
	sent := make(chan string, 1)
	srv := greeter(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Cookie")
		greet(w, r)
	}))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	jar.SetCookies(u, []*http.Cookie{{Name: "safe", Value: "1", Secure: true}})
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig
	conn := wsstream.Dial(t.Context(), srv.URL, &wsstream.DialOptions{Jar: jar, TLSConfig: config})
	defer conn.CloseNow()
	_, err = conn.Opened().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, "safe=1", <-sent)
}

func TestJarIgnoresAProxysCookies(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		u := &url.URL{Scheme: "http", Host: "example.test"}
		jar.SetCookies(u, []*http.Cookie{{Name: "mine", Value: "1"}})
		o := through("http://example.test:3128")
		o.Jar = jar
		conn := dialOver(t, near, o)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		require.Empty(t, peer.ReadRequest().Cookies())
		peer.SendRaw([]byte("HTTP/1.1 403 Forbidden\r\nSet-Cookie: theirs=1\r\nContent-Length: 0\r\n\r\n"))
		refusedBy(t, conn, "http://example.test:3128")
		require.Len(t, jar.Cookies(u), 1)
	})
}

func TestHostOptionIsSentAndTheURLIsDialled(t *testing.T) {
	for _, host := range []string{"front.test", "front.test:8080", "[::1]:80", "192.0.2.1", "FRONT.test"} {
		t.Run(host, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				var dialled string
				conn := wsstream.Dial(t.Context(), "ws://back.test:81/x", &wsstream.DialOptions{
					Host: host,
					NetDial: func(_ context.Context, _, addr string) (net.Conn, error) {
						dialled = addr
						return near, nil
					},
				})
				defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
				require.Equal(t, host, wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake().Host)
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, "back.test:81", dialled)
				require.Equal(t, "ws://back.test:81/x", conn.URL())
			})
		})
	}
}

func TestHostOptionThatIsBadDialsNothing(t *testing.T) {
	for _, host := range []string{"a b", "a/b", "a?b", "a#b", "eve@a", "a\r\nX: y", ":80", "http://a", "[::1", "a:b"} {
		t.Run(host, func(t *testing.T) {
			var d dialled
			err := notOpened(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{Host: host, NetDial: d.dial}))
			requirePlain(t, err)
			require.ErrorContains(t, err, "wsstream: Host: ")
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestNetDialThatReturnsNothingIsAnError(t *testing.T) {
	nothing := func(context.Context, string, string) (net.Conn, error) { return nil, nil }
	for name, o := range map[string]*wsstream.DialOptions{
		"alone": {NetDial: nothing},
		"behind an HTTP proxy": {NetDial: nothing, Proxy: func(*http.Request) (*url.URL, error) {
			return &url.URL{Scheme: "http", Host: "proxy.test"}, nil
		}},
		"behind a SOCKS proxy": {NetDial: nothing, Proxy: func(*http.Request) (*url.URL, error) {
			return &url.URL{Scheme: "socks5", Host: "proxy.test"}, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, address := range []string{"ws://example.test/", "wss://example.test/"} {
				conn := wsstream.Dial(t.Context(), address, o)
				_, err := conn.Opened().Wait(patient(t))
				require.ErrorContains(t, err, "NetDial returned neither")
				_, end := conn.Closed().Wait(patient(t))
				require.Equal(t, err, end)
			}
		})
	}
}
