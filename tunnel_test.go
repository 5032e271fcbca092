package wsstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// A tunneller is an HTTP proxy that connects every CONNECT to one address.
type tunneller struct {
	*httptest.Server
	asked atomic.Int32           // how often
	name  atomic.Pointer[string] // that TLS asked for
}

// newTunneller returns a proxy, with TLS or not, that ends with the test.
func newTunneller(t *testing.T, secure bool, addr string) *tunneller {
	p := &tunneller{}
	var tunnels sync.WaitGroup
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT is what is asked of me", http.StatusMethodNotAllowed)
			return
		}
		server, err := net.Dial("tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
			tunnels.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				client.Close()
				server.Close()
			})
		}
	}))
	p.Config.ErrorLog = quiet
	if secure {
		p.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			p.name.Store(&hello.ServerName)
			return nil, nil
		}}
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(func() {
		p.Close()
		tunnels.Wait()
	})
	return p
}

// greeter returns a server that greets, with TLS or not, whose certificate is for example.com and 127.0.0.1.
func greeter(t *testing.T, secure bool, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

// rootsOf returns the certificates of servers.
func rootsOf(servers ...*httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	for _, srv := range servers {
		if srv.TLS != nil {
			roots.AddCert(srv.Certificate())
		}
	}
	return roots
}

func TestDialThroughProxies(t *testing.T) {
	for _, proxyScheme := range []string{"http", "https"} {
		for _, scheme := range []string{"ws", "wss"} {
			t.Run(scheme+" through "+proxyScheme, func(t *testing.T) {
				srv := greeter(t, scheme == "wss", greet)
				p := newTunneller(t, proxyScheme == "https", srv.Listener.Addr().String())
				o := through(p.URL)
				o.TLSConfig = &tls.Config{RootCAs: rootsOf(srv, p.Server), ServerName: "example.com"} // which is not the proxy's
				conn := wsstream.Dial(t.Context(), scheme+"://behind.test/x", o)
				defer conn.CloseNow()
				m, err := conn.Readable().Pull(patient(t))
				require.NoError(t, err)
				require.Equal(t, "hello from "+scheme+"://behind.test/x", string(m.Data))
				info, err := conn.Closed().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, 1000, info.Code)
				require.EqualValues(t, 1, p.asked.Load())
				if proxyScheme == "https" {
					require.Empty(t, *p.name.Load(), "it is known by its address")
				}
			})
		}
	}
}

func TestProxyWithAnUnknownCertificateFails(t *testing.T) {
	srv := greeter(t, false, greet)
	p := newTunneller(t, true, srv.Listener.Addr().String())
	no := refusedBy(t, wsstream.Dial(t.Context(), srv.URL, through(p.URL)), p.URL)
	require.ErrorAs(t, no, new(*tls.CertificateVerificationError))
	require.Zero(t, p.asked.Load())
}

// A deafConn takes no more bytes when it is full, and gives up on each Write after as long as tls.Conn.Close does.
type deafConn struct {
	net.Conn
	full   atomic.Bool
	once   sync.Once
	closed chan struct{} // closed by Close
}

func (c *deafConn) Write(b []byte) (int, error) {
	if !c.full.Load() {
		return c.Conn.Write(b)
	}
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case <-time.After(5 * time.Second):
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func TestCloseNowDoesNotWaitForTheTLSOfAProxy(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			srv := greeter(t, scheme == "wss", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := wsstream.Accept(w, r, nil)
				if err == nil {
					_, _ = conn.Closed().Wait(t.Context())
				}
			}))
			p := newTunneller(t, true, srv.Listener.Addr().String())
			o := through(p.URL)
			o.TLSConfig = &tls.Config{RootCAs: rootsOf(srv, p.Server), ServerName: "example.com"}
			transport := &deafConn{closed: make(chan struct{})}
			o.NetDial = func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
				transport.Conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return transport, err
			}
			conn := wsstream.Dial(t.Context(), scheme+"://behind.test/", o)
			_, err := conn.Opened().Wait(patient(t))
			require.NoError(t, err)
			transport.full.Store(true)
			start := time.Now()
			conn.CloseNow()
			_, err = conn.Closed().Wait(patient(t))
			require.Error(t, err)
			require.Less(t, time.Since(start), 3*time.Second, "tls.Conn.Close gives a peer that reads nothing 5 s")
		})
	}
}

// proxyOfTheEnvironment is set in a process that dials as its environment says.
const proxyOfTheEnvironment = "WSSTREAM_TEST_DIAL"

func TestProxyOfTheEnvironmentIsUsedUnlessNetDialIsSet(t *testing.T) {
	if address := os.Getenv(proxyOfTheEnvironment); address != "" {
		o := &wsstream.DialOptions{}
		if os.Getenv("WSSTREAM_TEST_NETDIAL") != "" {
			o.NetDial = func(context.Context, string, string) (net.Conn, error) { return nil, errNoRoute }
		}
		_, _ = fmt.Fprintf(os.Stdout, "dialled: %v\n", notOpened(t, wsstream.Dial(t.Context(), address, o)))
		return
	}
	var asked atomic.Pointer[string]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := r.Method + " " + r.RequestURI
		asked.Store(&s)
		http.Error(w, "not from here", http.StatusForbidden)
	}))
	defer proxy.Close()
	for _, tc := range []struct{ name, address, env, asked, says string }{
		{"ws", "ws://example.test/", "HTTP_PROXY=" + proxy.URL, "CONNECT example.test:80", "proxy " + proxy.URL + ": it does not connect to the server (status 403 Forbidden)"},
		{"wss", "wss://example.test/", "HTTPS_PROXY=" + proxy.URL, "CONNECT example.test:443", "status 403"},
		{"lower case", "ws://example.test/", "http_proxy=" + proxy.URL, "CONNECT example.test:80", "status 403"},
		{"another scheme's", "wss://example.invalid./", "HTTP_PROXY=" + proxy.URL, "", "example.invalid"},
		{"NO_PROXY", "ws://example.invalid./", "NO_PROXY=example.invalid.\nHTTP_PROXY=" + proxy.URL, "", "example.invalid"},
		{"a bad one with a password", "ws://example.test/", "HTTP_PROXY=http://eve:secret/more@proxy.test", "", "wsstream: handshake: proxy http://proxy.test: "},
		{"NetDial", "ws://example.test/", "WSSTREAM_TEST_NETDIAL=1\nHTTP_PROXY=" + proxy.URL, "", "wsstream: handshake: " + errNoRoute.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked.Store(new(string))
			self, err := os.Executable()
			require.NoError(t, err)
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$") // since net/http reads it once
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
					cmd.Env = append(cmd.Env, v)
				}
			}
			cmd.Env = append(append(cmd.Env, proxyOfTheEnvironment+"="+tc.address), strings.Split(tc.env, "\n")...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			_, dialled, ok := strings.Cut(string(out), "dialled: ")
			require.True(t, ok, "%s", out)
			require.Contains(t, dialled, tc.says)
			require.NotContains(t, dialled, "secret")
			require.Equal(t, tc.asked, *asked.Load())
		})
	}
}

func TestDialResumesTLSSessions(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			resumed := make(chan bool, 2)
			srv := greeter(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				resumed <- r.TLS.DidResume
				greet(w, r)
			}))
			config := &tls.Config{RootCAs: rootsOf(srv), ClientSessionCache: tls.NewLRUClientSessionCache(0), MaxVersion: version}
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
