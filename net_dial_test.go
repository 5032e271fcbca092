package wsstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
		},
	}
}

func answerDNS(question []byte, addrs []net.IP) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, ip := range addrs {
		q := m.Questions[0]
		r := dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
		}
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
		peer.SendRaw(
			[]byte("HTTP/1.1 403 Forbidden\r\nSet-Cookie: theirs=1\r\nContent-Length: 0\r\n\r\n"))
		refusedBy(t, conn, "http://example.test:3128")
		require.Len(t, jar.Cookies(u), 1)
	})
}

func TestHostOptionIsSentAndTheURLIsDialled(t *testing.T) {
	for _, host := range []string{
		"front.test", "front.test:8080", "[::1]:80", "192.0.2.1", "FRONT.test",
	} {
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
	for _, host := range []string{
		"a b", "a/b", "a?b", "a#b", "eve@a", "a\r\nX: y", ":80", "http://a", "[::1", "a:b",
	} {
		t.Run(host, func(t *testing.T) {
			var d dialled
			err := notOpened(
				t,
				wsstream.Dial(
					t.Context(),
					"ws://example.test/",
					&wsstream.DialOptions{Host: host, NetDial: d.dial},
				),
			)
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

func TestDialReturnsTheErrorOfNetDial(t *testing.T) {
	var d dialled
	err := notOpened(
		t,
		wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: d.dial}),
	)
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

func TestDialOverTLS(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "a server that speaks HTTP/2 too": true} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(greet)
			srv.EnableHTTP2 = h2
			srv.StartTLS()
			defer srv.Close()
			roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			conn := wsstream.Dial(t.Context(), srv.URL+"/x",
				&wsstream.DialOptions{TLSConfig: &tls.Config{RootCAs: roots}})
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

func TestDialResumesTLSSessions(t *testing.T) {
	for name, version := range map[string]uint16{
		"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13,
	} {
		t.Run(name, func(t *testing.T) {
			resumed := make(chan bool, 2)
			srv := greeter(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				resumed <- r.TLS.DidResume
				greet(w, r)
			}))
			config := &tls.Config{
				RootCAs:            rootsOf(srv),
				ClientSessionCache: tls.NewLRUClientSessionCache(0),
				MaxVersion:         version,
			}
			for _, want := range []bool{false, true} {
				conn := wsstream.Dial(t.Context(), srv.URL, &wsstream.DialOptions{TLSConfig: config})
				_, err := conn.Readable().Pull(patient(t))
				require.NoError(t, err)
				_, err = conn.Closed().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, want, <-resumed)
			}
		})
	}
}

// TestDialNegotiatesHTTP1ByALPN: it offers the names of the caller, too, but never HTTP/2.
func TestDialNegotiatesHTTP1ByALPN(t *testing.T) {
	for _, tc := range []struct{ protos, want []string }{
		{nil, []string{"http/1.1"}},
		{[]string{"h2"}, []string{"http/1.1"}},
		{[]string{"h2", "http/1.1"}, []string{"http/1.1"}}, // as an http.Transport leaves its config
		{[]string{"mine", "http/1.1"}, []string{"mine", "http/1.1"}},
	} {
		t.Run(fmt.Sprint(tc.protos), func(t *testing.T) {
			offered := make(chan []string, 1)
			srv := httptest.NewUnstartedServer(greet)
			srv.EnableHTTP2 = true
			srv.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				offered <- hello.SupportedProtos
				return nil, nil
			}}
			srv.StartTLS()
			defer srv.Close()
			config := &tls.Config{RootCAs: rootsOf(srv), NextProtos: tc.protos}
			conn := wsstream.Dial(t.Context(), srv.URL, &wsstream.DialOptions{TLSConfig: config})
			defer conn.CloseNow()
			_, err := conn.Opened().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, tc.want, <-offered)
			require.Equal(t, tc.protos, config.NextProtos)
		})
	}
}

// nameServer returns a listener's TLS configuration for a name, the pool that trusts it, and the
// names it was asked for.
func nameServer(t *testing.T, name string) (*tls.Config, *x509.CertPool, <-chan string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{name},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	asked := make(chan string, 10)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			asked <- hello.ServerName
			return nil, nil
		},
	}, roots, asked
}

func TestDialUsesTheALabelForTLS(t *testing.T) {
	server, roots, asked := nameServer(t, "xn--bcher-kva.example")
	addr := serveTCP(t, func(nc net.Conn) {
		if conn, err := wsstream.AcceptConn(t.Context(), tls.Server(nc, server), nil); err == nil {
			_, _ = conn.Closed().Wait(t.Context())
		}
	})
	conn := wsstream.Dial(t.Context(), "wss://Bücher.example/", &wsstream.DialOptions{
		TLSConfig: &tls.Config{RootCAs: roots},
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
	_, err := conn.Opened().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, "xn--bcher-kva.example", <-asked)
}
