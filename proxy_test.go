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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

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

// socksName asks for example.test:80 by its name (RFC 1928, section 4).
const (
	socksName = "\x05\x01\x00\x03\x0cexample.test\x00\x50"
	socksDone = "\x05\x00\x00\x01\x7f\x00\x00\x01\x30\x39"
)

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
