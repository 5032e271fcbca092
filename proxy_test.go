package wsstream_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// through returns the options of a Dial that goes through the proxy.
func through(proxy string) *wsstream.DialOptions {
	u, err := url.Parse(proxy)
	return &wsstream.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return u, err }}
}

// wantBytes requires that these bytes come.
func wantBytes(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := io.ReadFull(nc, got)
	require.Equal(t, want, string(got[:n]))
	require.NoError(t, err)
	require.NoError(t, nc.SetReadDeadline(time.Time{}))
}

// refusedBy waits for a handshake to fail by a proxy's doing, and returns what it did.
func refusedBy(t *testing.T, conn *wsstream.Conn, proxy string) *wsstream.ProxyError {
	t.Helper()
	err := notOpened(t, conn)
	var failed *wsstream.HandshakeError
	require.ErrorAs(t, err, &failed)
	require.Zero(t, failed.Status, "the server has not answered")
	var no *wsstream.ProxyError
	require.ErrorAs(t, err, &no)
	require.Equal(t, proxy, no.Proxy)
	require.ErrorContains(t, err, "wsstream: handshake: proxy "+proxy+": ")
	require.NotContains(t, err.Error(), "secret")
	return no
}

func TestProxyIsAskedWithCONNECT(t *testing.T) {
	for _, tc := range []struct {
		name, proxy, request string
	}{
		{"without credentials", "http://proxy.test", "CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\n\r\n"},
		{
			"with credentials", "http://eve:se%40cret@proxy.test:3128",
			"CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\nProxy-Authorization: Basic " +
				base64.StdEncoding.EncodeToString([]byte("eve:se@cret")) + "\r\n\r\n",
		},
		{"with a user alone", "http://token@proxy.test", "CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\nProxy-Authorization: Basic dG9rZW46\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				o := through(tc.proxy)
				o.Header = http.Header{"Authorization": {"for the server alone"}, "Cookie": {"a=b"}}
				conn := dialOver(t, near, o)
				wantBytes(t, far, tc.request)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				peer.SendRaw([]byte("HTTP/1.1 200 OK\r\n\r\n"))
				r := peer.ServeHandshake()
				require.Equal(t, "for the server alone", r.Header.Get("Authorization"))
				require.NotContains(t, r.Header, "Proxy-Authorization")
				peer.Send(wstest.Text("hello"))
				m, err := conn.Readable().Pull(patient(t))
				require.NoError(t, err)
				require.Equal(t, "hello", string(m.Data))
			})
		})
	}
}

// Each answer stands before the bytes of a handshake's, where the tunnel is made.
var proxyAnswers = []struct {
	name, answer string
	opens        bool
	status       int
	says, body   string
	hangsUp      bool // behind the answer
}{
	{name: "200", answer: "HTTP/1.1 200 Connection established\r\n\r\n", opens: true},
	{
		name:   "100 before it",
		answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		opens:  true,
	},
	{
		name:   "102 and 103 before it",
		answer: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		opens:  true,
	},
	{
		name:   "100 before a refusal",
		answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nby law",
		status: 403,
		says:   "does not connect",
		body:   "by law",
	},
	{name: "100 and nothing", answer: "HTTP/1.1 100 Continue\r\n\r\n", hangsUp: true, says: "EOF"},
	{
		name:   "100 for ever",
		answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 4000),
		says:   "MaxHandshakeSize, 65536 bytes",
	},
	{
		name:   "200 of HTTP/1.0",
		answer: "HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n",
		opens:  true,
	},
	{
		name:   "200 with a length, which means nothing",
		answer: "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
		opens:  true,
	},
	{
		name:   "200 in chunks, which means nothing",
		answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		opens:  true,
	},
	{
		name:   "200 that says close, which means nothing",
		answer: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		opens:  true,
	},
	{name: "any other 2xx", answer: "HTTP/1.1 299 Fine\r\n\r\n", opens: true},
	{
		name:   "200 and more",
		answer: "HTTP/1.1 200 OK\r\n\r\nhello",
		says:   "5 bytes came behind its answer",
	},
	{
		name:   "101",
		answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
		status: 101,
		says:   "does not connect",
	},
	{
		name:   "a redirect",
		answer: "HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\nContent-Length: 0\r\n\r\n",
		status: 302,
		says:   "302 Found",
	},
	{
		name:   "forbidden",
		answer: "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nby law",
		status: 403,
		says:   "does not connect",
		body:   "by law",
	},
	{
		name:   "method not allowed",
		answer: "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n",
		status: 405,
		says:   "405",
	},
	{
		name:   "log in",
		answer: "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
		status: 407,
		says:   "does not take the credentials",
	},
	{
		name:    "a body that ends with the connection",
		answer:  "HTTP/1.1 502 Bad Gateway\r\n\r\nno route",
		status:  502,
		says:    "502 Bad Gateway",
		body:    "no route",
		hangsUp: true,
	},
	{
		name:   "a body in chunks",
		answer: "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n",
		status: 503,
		says:   "503",
		body:   "busy",
	},
	{
		name: "a long body",
		answer: "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x",
			5000),
		status: 504,
		says:   "504",
		body:   strings.Repeat("x", 1024),
	},
	{
		name:   "a status without a name",
		answer: "HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n",
		status: 599,
		says:   "599",
	},
	{name: "nothing", hangsUp: true, says: "EOF"},
	{
		name:    "a header cut short",
		answer:  "HTTP/1.1 200 OK\r\nProxy-",
		hangsUp: true,
		says:    "malformed",
	},
	{name: "TLS", answer: "\x15\x03\x01\x00\x02\x02\x16\r\n\r\n", says: "malformed"},
	{name: "SOCKS", answer: "\x05\xff\r\n\r\n", says: "malformed"},
	{
		name:   "too much",
		answer: "HTTP/1.1 200 OK\r\nX-More: " + strings.Repeat("x", 70_000),
		says:   "MaxHandshakeSize, 65536 bytes",
	},
}

func TestProxyAnswers(t *testing.T) {
	for _, tc := range proxyAnswers {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, through("http://eve:secret@proxy.test:3128"))
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				require.Equal(t, "example.test:80", peer.ReadRequest().RequestURI)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = far.Write([]byte(tc.answer)) // the dialler may go before it has read all
					if tc.hangsUp {
						_ = far.Close()
					}
				}()
				defer func() { <-sent }()
				if tc.opens {
					<-sent
					peer.ServeHandshake()
					_, err := conn.Opened().Wait(patient(t))
					require.NoError(t, err)
					return
				}
				no := refusedBy(t, conn, "http://proxy.test:3128")
				require.Equal(t, tc.status, no.Status)
				require.Equal(t, tc.body, string(no.Body))
				require.ErrorContains(t, no, tc.says)
				require.Equal(t, tc.status != 0, no.Header != nil)
				_, err := near.Write([]byte("x"))
				require.ErrorIs(t, err, net.ErrClosed)
			})
		})
	}
}

func TestProxyThatWantsCredentials(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, through("http://proxy.test"))
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		peer.SendRaw(
			[]byte(
				"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
			),
		)
		no := refusedBy(t, conn, "http://proxy.test")
		require.ErrorContains(t, no,
			"it asks for credentials, and the URL that the option Proxy gives has none")
		require.Equal(t, "Basic realm=x", no.Header.Get("Proxy-Authenticate"))
	})
}

// TestProxyRefusalWithoutItsBodyIsTold: the body has one moment to come.
func TestProxyRefusalWithoutItsBodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		start := time.Now()
		conn := dialOver(t, near, through("http://proxy.test"))
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		peer.SendRaw([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nby law"))
		no := refusedBy(t, conn, "http://proxy.test")
		require.Equal(t, 403, no.Status)
		require.Equal(t, "by law", string(no.Body))
		require.Equal(t, 100*time.Millisecond, time.Since(start))
	})
}

func TestProxyThatDoesNotAnswerIsGivenUp(t *testing.T) {
	for _, proxy := range []string{"http://proxy.test", "https://proxy.test", "socks5://proxy.test"} {
		t.Run(proxy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				defer far.Close()
				start := time.Now()
				err := notOpened(t, dialOver(t, near, through(proxy)))
				require.ErrorContains(t, err, "not done within HandshakeTimeout")
				require.Equal(t, wsstream.DefaultHandshakeTimeout, time.Since(start))
				require.True(t, near.Closed())
			})
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				defer far.Close()
				o := through(proxy)
				o.NetDial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
				ctx, cancel := withCause(t)
				conn := wsstream.Dial(ctx, "ws://example.test/", o)
				<-time.After(time.Second)
				cancel(errReason)
				start := time.Now()
				require.Equal(t, errReason, notOpened(t, conn))
				require.Zero(t, time.Since(start))
				synctest.Wait()
				require.True(t, near.Closed())
			})
		})
	}
}

func TestProxyThatCannotBeReachedIsNamed(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5", "socks5h"} {
		t.Run(scheme, func(t *testing.T) {
			var d dialled
			o := through(scheme + "://eve:secret@proxy.test")
			o.NetDial = d.dial
			no := refusedBy(t, wsstream.Dial(t.Context(), "wss://example.test/", o), scheme+"://proxy.test")
			require.ErrorIs(t, no, errNoRoute)
		})
	}
}

func TestProxyErrorOfNetDialIsReturned(t *testing.T) {
	other := &wsstream.ProxyError{Proxy: "http://other.test", Err: errNoRoute}
	o := through("http://proxy.test")
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return nil, other }
	no := refusedBy(t, wsstream.Dial(t.Context(), "ws://example.test/", o), "http://proxy.test")
	require.Equal(t, other, no.Err)
	require.Equal(t, "http://other.test", other.Proxy)
}

func TestProxyOptionThatIsBadIsNamed(t *testing.T) {
	for proxy, shown := range map[string]string{
		"ftp://eve:secret@proxy.test": "ftp://proxy.test",
		"//eve:secret@proxy.test":     "//proxy.test",
		"http://eve:secret@:3128":     "http://:3128",
		"socks5:///x":                 "socks5:///x",
		"proxy.test:3128":             "proxy.test:3128",
	} {
		t.Run(proxy, func(t *testing.T) {
			var d dialled
			o := through(proxy)
			o.NetDial = d.dial
			no := refusedBy(t, wsstream.Dial(t.Context(), "ws://example.test/", o), shown)
			require.ErrorContains(t, no, "that the option Proxy gives")
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestProxyIsChosenByTheRequest(t *testing.T) {
	for address, want := range map[string]string{
		"ws://eve:secret@example.test/a?b": "http://example.test/a?b",
		"wss://example.test:8443/a":        "https://example.test:8443/a",
		"https://example.test":             "https://example.test",
		"http://[::1]/%20":                 "http://[::1]/%20",
	} {
		t.Run(address, func(t *testing.T) {
			type key struct{}
			var d dialled
			var asked *http.Request
			conn := wsstream.Dial(
				context.WithValue(t.Context(), key{}, "value"),
				address,
				&wsstream.DialOptions{
					NetDial: d.dial,
					Host:    "front.test",
					Header:  http.Header{"X-Tenant": {"a"}},
					Proxy: func(r *http.Request) (*url.URL, error) {
						asked = r
						return nil, nil // none
					},
				},
			)
			require.ErrorIs(t, notOpened(t, conn), errNoRoute)
			require.Equal(t, want, asked.URL.String())
			require.Equal(t, "GET front.test a",
				asked.Method+" "+asked.Host+" "+asked.Header.Get("X-Tenant"))
			require.Equal(t, "value", asked.Context().Value(key{}))
			_, err := conn.Opened().Wait(patient(t))
			require.NotErrorAs(t, err, new(*wsstream.ProxyError))
			require.Equal(t, asked.URL.Hostname(),
				strings.Trim(d.addr[:strings.LastIndex(d.addr, ":")], "[]"), "the server itself was dialled")
		})
	}
}

func TestProxyOptionsErrorDialsNothing(t *testing.T) {
	var d dialled
	err := notOpened(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
		Proxy:   func(*http.Request) (*url.URL, error) { return nil, errReason },
		NetDial: d.dial,
	}))
	require.ErrorIs(t, err, errReason)
	require.ErrorContains(t, err, "wsstream: handshake: the option Proxy: ")
	require.Zero(t, d.calls.Load())
}

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
	p.Server = httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		}),
	)
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

func TestDialThroughProxies(t *testing.T) {
	for _, proxyScheme := range []string{"http", "https"} {
		for _, scheme := range []string{"ws", "wss"} {
			t.Run(scheme+" through "+proxyScheme, func(t *testing.T) {
				srv := greeter(t, scheme == "wss", greet)
				p := newTunneller(t, proxyScheme == "https", srv.Listener.Addr().String())
				o := through(p.URL)
				// Which is not the proxy's.
				o.TLSConfig = &tls.Config{RootCAs: rootsOf(srv, p.Server), ServerName: "example.com"}
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

// A deafConn takes no more bytes when it is full, and gives up on each Write after as long as
// tls.Conn.Close does.
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
			srv := greeter(
				t,
				scheme == "wss",
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := wsstream.Accept(w, r, nil)
					if err == nil {
						_, _ = conn.Closed().Wait(t.Context())
					}
				}),
			)
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
			require.Less(t, time.Since(start), 3*time.Second,
				"tls.Conn.Close gives a peer that reads nothing 5 s")
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
		_, _ = fmt.Fprintf(os.Stdout, "dialled: %v\n",
			notOpened(t, wsstream.Dial(t.Context(), address, o)))
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
		{
			"wss",
			"wss://example.test/",
			"HTTPS_PROXY=" + proxy.URL,
			"CONNECT example.test:443",
			"status 403",
		},
		{
			"lower case",
			"ws://example.test/",
			"http_proxy=" + proxy.URL,
			"CONNECT example.test:80",
			"status 403",
		},
		{"another scheme's", "wss://example.invalid./", "HTTP_PROXY=" + proxy.URL, "", "example.invalid"},
		{
			"NO_PROXY",
			"ws://example.invalid./",
			"NO_PROXY=example.invalid.\nHTTP_PROXY=" + proxy.URL,
			"",
			"example.invalid",
		},
		{
			"a bad one with a password",
			"ws://example.test/",
			"HTTP_PROXY=http://eve:secret/more@proxy.test",
			"",
			"wsstream: handshake: proxy http://proxy.test: ",
		},
		{
			"NetDial",
			"ws://example.test/",
			"WSSTREAM_TEST_NETDIAL=1\nHTTP_PROXY=" + proxy.URL,
			"",
			"wsstream: handshake: " + errNoRoute.Error(),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked.Store(new(string))
			self, err := os.Executable()
			require.NoError(t, err)
			// Since net/http reads it once.
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$")
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
					cmd.Env = append(cmd.Env, v)
				}
			}
			cmd.Env = append(
				append(cmd.Env, proxyOfTheEnvironment+"="+tc.address),
				strings.Split(tc.env, "\n")...)
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

func TestDialTellsAnEarlyRefusalOfAProxy(t *testing.T) {
	addr := serveTCP(t, func(nc net.Conn) {
		_, _ = io.WriteString(nc,
			"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	for range 20 {
		no := refusedBy(
			t,
			wsstream.Dial(
				t.Context(),
				"ws://example.test",
				through("http://eve:secret"+strings.Repeat("x", 1<<20)+"@"+addr),
			),
			"http://"+addr,
		)
		require.Equal(t, 400, no.Status, "%v", no)
	}
}
