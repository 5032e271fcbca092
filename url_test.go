package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpproxy"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// A recorder passes on what a Logger is given.
type recorder struct {
	slog.Handler
	records chan string
}

func newRecorder() *recorder { return &recorder{records: make(chan string, 10)} }

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	text := rec.Message
	rec.Attrs(func(a slog.Attr) bool { text += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
	r.records <- text
	return nil
}

// texts are all that a Conn whose handshake failed shows, with the texts of all errors that it
// wraps.
func texts(conn *wsstream.Conn, err error, logged *recorder) string {
	all := []string{
		conn.URL(), conn.RemoteAddr().String(), conn.LocalAddr().String(),
		<-logged.records, // one, after the end
		fmt.Sprintf("%v %s %q %+v", err, err, err, err),
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		all = append(all, e.Error())
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		all = append(all, e.URL, e.Error(), e.Err.Error(), fmt.Sprintf("%+v", e))
	}
	if e, ok := errors.AsType[*wsstream.ProxyError](err); ok {
		all = append(all, e.Proxy, e.Error(), e.Err.Error())
	}
	if e, ok := errors.AsType[url.EscapeError](err); ok {
		all = append(all, e.Error())
	}
	if e, ok := errors.AsType[url.InvalidHostError](err); ok {
		all = append(all, e.Error())
	}
	return strings.Join(all, "\n")
}

// withSecrets are addresses, each with a password before its last @, however that may be parsed.
var withSecrets = []string{
	"USER:SECRET@host.test",
	"USER:SECRET@host.test:80/x",
	"SECRET@host.test",
	"SECRET%zz@host.test",
	"SECRET:x/\\%zz@host.test",
	"ws:USER:SECRET@host.test",
	"USER:ws://SECRET@host.test",
	"//USER:SECRET@host.test/",
	"://USER:SECRET@host.test/",
	"ws:///USER:SECRET@host.test",
	"ws://USER:SECRET@/x",
	"ws://USER:SECRET@:80/x",
	"ws://USER:SECRET/more@host.test",
	"ws://USER:SECRET#more@host.test",
	"ws://USER:SECRET?more@host.test",
	"ws://USER:1/SECRET#more@host.test",
	"ws://USER:1?SECRET#more@host.test",
	"ws://USER:SECRET@host.test/#",
	"ws://USER:SECRET@host.test:port/",
	"ws://USER:SECRET@host.test:99999/",
	"ws://USER:SECRET@more@host.test/#x",
	"ws://USER:SECRET@ho st/",
	"ws://USER:SECRET@host.test/%zz",
	"ws://USER:SECRET%@host.test/",
	"ws://USER:%SECRET@host.test/",
	"ws://USER:SECRET %@host.test/",
	"ws://USER:SECRET\"@host.test/#",
	"ws://\"USER\":\"SECRET\"@host.test/#",
	"ws://USER:SECRET\\@host.test/#",
	"ws://USER:SECRET%40host.test/",
	"ws://USER:SECRET＠host.test/",
	"ws://SECRET＠host.test/",
	"ws://USER:[SECRET@host.test/",
	"ws://[SECRET@host.test/",
	"ws://USER:SECRET\r\n@host.test/",
	"ftp://USER:SECRET@host.test/",
	"ws://USER:SECRET@h<o>st.test/",
	"ws://USER:SECRET@\u00ad/",
	"ws://USER:SECRET@a\u2e2eb\u0338/#",
}

func TestURLErrorShowsNothingBeforeAnAtSign(t *testing.T) {
	for _, bad := range withSecrets {
		t.Run(bad, func(t *testing.T) {
			var d dialled
			logged := newRecorder()
			conn := wsstream.Dial(t.Context(), bad,
				&wsstream.DialOptions{NetDial: d.dial, Logger: slog.New(logged)})
			err := notOpened(t, conn)
			require.ErrorContains(t, err, "wsstream: ")
			shown := texts(conn, err, logged)
			require.NotContains(t, shown, "SECRET")
			require.NotContains(t, shown, "USER")
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestURLErrorShowsAURLWithoutAnAtSign(t *testing.T) {
	for bad, says := range map[string]string{
		"ws://host.test:80x/":  `wsstream: bad URL "ws://host.test:80x/": invalid port ":80x" after host`,
		"ws://host.test/%zz":   `wsstream: bad URL "ws://host.test/%zz": invalid URL escape "%zz"`,
		"ftp://host.test/a":    `wsstream: URL "ftp://host.test/a": the scheme is not ws, wss, http or https`,
		"ws://host.test/a#top": `wsstream: URL "ws://host.test/a#top" has a fragment`,
		"ws://h<o>st.test/":    `wsstream: URL "ws://h<o>st.test/": the host is neither a name nor an address`,
		"ws://[fe80::1%25]]/":  `wsstream: URL "ws://[fe80::1%25]]/": the host is neither a name nor an address`,
	} {
		conn := wsstream.Dial(t.Context(), bad, nil)
		require.EqualError(t, notOpened(t, conn), says)
		require.Equal(t, bad, conn.URL())
	}
}

func TestURLMayHaveAnAtSignBehindTheHost(t *testing.T) {
	var d dialled
	conn := wsstream.Dial(
		t.Context(),
		"ws://user:SECRET@host.test:8080/@vite/client?to=a@b",
		&wsstream.DialOptions{NetDial: d.dial},
	)
	require.ErrorIs(t, notOpened(t, conn), errNoRoute)
	require.Equal(t, "host.test:8080", d.addr)
	require.Equal(t, "ws://host.test:8080/@vite/client?to=a@b", conn.URL())
}

func TestURLErrorOfAProxyShowsNothingBeforeAnAtSign(t *testing.T) {
	proxies := map[string]*url.URL{
		"in the host":        {Scheme: "http", Host: "user:SECRET@host.test:3128"},
		"in the port":        {Scheme: "http", Host: "host.test:SECRET@3128"},
		"in brackets":        {Scheme: "socks5", Host: "[::1%user:SECRET@host.test]:3128"},
		"in the host, SOCKS": {Scheme: "socks5", Host: "user:SECRET@host.test"},
		"in the scheme":      {Scheme: "user:SECRET@http", Host: "host.test"},
	}
	for _, s := range withSecrets {
		if u, err := url.Parse(s); err == nil {
			proxies[s] = u
		}
	}
	for _, s := range []string{
		"http://user:1/SECRET@host.test", "http://user:1?SECRET@host.test",
		"http://user:1#SECRET@host.test", "socks5://user:SECRET@host.test",
	} {
		u, err := url.Parse(s)
		require.NoError(t, err)
		proxies[s] = u
	}
	require.Greater(t, len(proxies), 20)
	for name, u := range proxies {
		t.Run(name, func(t *testing.T) {
			var d dialled
			logged := newRecorder()
			conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
				NetDial: d.dial,
				Proxy:   func(*http.Request) (*url.URL, error) { return u, nil },
				Logger:  slog.New(logged),
			})
			err := notOpened(t, conn)
			require.ErrorAs(t, err, new(*wsstream.ProxyError))
			require.NotContains(t, texts(conn, err, logged), "SECRET")
			require.NotContains(t, d.addr, "SECRET")
		})
	}
}

func TestProxyErrorOfAURLWithoutASchemeShowsNoCredentials(t *testing.T) {
	for proxy, shown := range map[string]string{
		"user:SECRET@proxy.test:3128": "proxy.test:3128",
		"user:SECRET@proxy.test":      "proxy.test",
		"SECRET@proxy.test":           "proxy.test",
	} {
		no := refusedBy(t, wsstream.Dial(t.Context(), "ws://example.test/", through(proxy)), shown)
		require.NotContains(t, no.Error(), "SECRET")
	}
}

func TestProxyOptionsErrorShowsNothingBeforeAnAtSign(t *testing.T) {
	type odd struct{ error }
	var failures []error
	for _, s := range withSecrets {
		_, err := url.Parse(s)
		if err == nil {
			err = &url.Error{Op: "parse", URL: s, Err: errReason}
		}
		failures = append(failures, err,
			fmt.Errorf("no proxy: %w", err),
			fmt.Errorf("invalid proxy address %q: %v", s, err), // as net/http's
			fmt.Errorf("invalid proxy address %q: %w", s, err),
			fmt.Errorf("proxy %s: %w", s, fs.ErrNotExist),
			fmt.Errorf("proxy '%s' in %q: %w", s, "the file \"SECRET\"", fs.ErrNotExist),
			errors.Join(errReason, err),
			odd{err},
			&wsstream.ProxyError{Proxy: s, Err: err},
			&net.OpError{Op: "dial", Net: "tcp", Err: err},
		)
	}
	for _, failure := range failures {
		t.Run(failure.Error(), func(t *testing.T) {
			var d dialled
			logged := newRecorder()
			conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
				NetDial: d.dial,
				Proxy:   func(*http.Request) (*url.URL, error) { return nil, failure },
				Logger:  slog.New(logged),
			})
			err := notOpened(t, conn)
			require.ErrorContains(t, err, "wsstream: handshake: the option Proxy: ")
			require.NotContains(t, texts(conn, err, logged), "SECRET")
			require.ErrorIs(t, err, failure)
			require.Equal(t, errors.Is(failure, fs.ErrNotExist), errors.Is(err, fs.ErrNotExist))
			require.Equal(t, errors.Is(failure, errReason), errors.Is(err, errReason))
			var before, after *url.Error
			require.Equal(t, errors.As(failure, &before), errors.As(err, &after))
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestProxyOptionsErrorIsFoundByItsType(t *testing.T) {
	inner := &url.Error{
		Op:  "parse",
		URL: "http://user:SECRET@host.test/%zz",
		Err: url.EscapeError("%zz"),
	}
	failure := fmt.Errorf("%w: %w", inner,
		&fs.PathError{Op: "open", Path: "proxies", Err: fs.ErrPermission})
	err := notOpened(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, failure },
	}))
	require.EqualError(t, err,
		`wsstream: handshake: the option Proxy: …host.test/%zz…: open proxies: permission denied`)
	require.ErrorIs(t, err, fs.ErrPermission)
	var path *fs.PathError
	require.ErrorAs(t, err, &path, "its text is clean")
	require.Equal(t, "proxies", path.Path)
	var found *url.Error
	require.ErrorAs(t, err, &found)
	require.Equal(t, "http://host.test/%zz", found.URL)
	require.NotErrorAs(t, err, new(url.EscapeError), "it quotes a part of the URL")
	var timeout interface{ Timeout() bool }
	require.NotErrorAs(t, err, &timeout, "the first that has it shows the password")
	require.Nil(t, timeout)
}

func TestProxyOfTheEnvironmentShowsNoPassword(t *testing.T) {
	for _, proxy := range withSecrets {
		t.Run(proxy, func(t *testing.T) {
			var d dialled
			logged := newRecorder()
			environment := (&httpproxy.Config{HTTPProxy: proxy}).ProxyFunc() // what net/http calls
			conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
				NetDial: d.dial,
				Proxy:   func(r *http.Request) (*url.URL, error) { return environment(r.URL) },
				Logger:  slog.New(logged),
			})
			err := notOpened(t, conn)
			require.NotContains(t, texts(conn, err, logged), "SECRET")
			require.NotContains(t, d.addr, "SECRET")
		})
	}
}

func TestURLNameOutsideASCIIBecomesAnALabel(t *testing.T) {
	for _, tc := range []struct{ url, host, shown string }{
		{"ws://bücher.example/", "xn--bcher-kva.example", "ws://xn--bcher-kva.example/"},
		{"ws://BÜCHER.Example/", "xn--bcher-kva.example", "ws://xn--bcher-kva.example/"},
		{
			"ws://b%C3%BCcher.example:8080/",
			"xn--bcher-kva.example:8080",
			"ws://xn--bcher-kva.example:8080/",
		},
		{"ws://例え。テスト/ä", "xn--r8jz45g.xn--zckzah", "ws://xn--r8jz45g.xn--zckzah/%C3%A4"},
		{"ws://faß.example/", "xn--fa-hia.example", "ws://xn--fa-hia.example/"},
		{
			"ws://my_app--x.bücher.example/",
			"my_app--x.xn--bcher-kva.example",
			"ws://my_app--x.xn--bcher-kva.example/",
		},
		{"ws://１２７.0.0.1/", "127.0.0.1", "ws://127.0.0.1/"},
		{"ws://XN--BCHER-KVA.example/", "XN--BCHER-KVA.example", "ws://XN--BCHER-KVA.example/"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				var addr string
				conn := wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{
					NetDial: func(_ context.Context, _, a string) (net.Conn, error) { addr = a; return near, nil },
				})
				defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
				require.Equal(t, tc.host, req.Host)
				require.Equal(t, tc.shown, conn.URL())
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, strings.TrimSuffix(tc.host, ":8080"), addr[:strings.LastIndex(addr, ":")])
			})
		})
	}
}

func TestURLNameThatIsBadDialsNothing(t *testing.T) {
	for _, host := range []string{
		"a\u2100b.example", "ab\u00a0c\u00fc", "xn--\u00fc", "\u200d\u00fc", "\u00ad", "ü＠x", "ü：80",
		"ü／x", "ü＃", "ü\u202e",
	} {
		t.Run(host, func(t *testing.T) {
			var d dialled
			err := notOpened(
				t,
				wsstream.Dial(t.Context(), "ws://"+host+"/", &wsstream.DialOptions{NetDial: d.dial}),
			)
			require.ErrorContains(t, err, "URL")
			requirePlain(t, err)
			err = notOpened(
				t,
				wsstream.Dial(
					t.Context(),
					"ws://example.test/",
					&wsstream.DialOptions{NetDial: d.dial, Host: host},
				),
			)
			require.ErrorContains(t, err, "Host")
			requirePlain(t, err)
			require.Zero(t, d.calls.Load())
			no := refusedByAny(t, wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
				NetDial: d.dial,
				Proxy: func(*http.Request) (*url.URL, error) {
					return &url.URL{Scheme: "http", Host: host}, nil
				},
			}))
			require.ErrorContains(t, no, "option Proxy")
			require.Zero(t, d.calls.Load())
		})
	}
}

func refusedByAny(t *testing.T, conn *wsstream.Conn) *wsstream.ProxyError {
	t.Helper()
	var no *wsstream.ProxyError
	require.ErrorAs(t, notOpened(t, conn), &no)
	return no
}

func TestHostOptionAndJarUseALabels(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		jar.SetCookies(&url.URL{Scheme: "http", Host: "xn--bcher-kva.example"},
			[]*http.Cookie{{Name: "a", Value: "1"}})
		dialOver(t, near, &wsstream.DialOptions{Host: "bücher.example:81", Jar: jar})
		req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake("Set-Cookie: b=2")
		require.Equal(t, "xn--bcher-kva.example:81", req.Host)
		require.Equal(t, "a=1", req.Header.Get("Cookie"))
	})
}

func TestProxyIsAskedForTheALabel(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		o := through("http://prøxy.test")
		var addr string
		o.NetDial = func(_ context.Context, _, a string) (net.Conn, error) { addr = a; return near, nil }
		conn := wsstream.Dial(t.Context(), "ws://bücher.example", o)
		defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
		wantBytes(t, far,
			"CONNECT xn--bcher-kva.example:80 HTTP/1.1\r\nHost: xn--bcher-kva.example:80\r\n\r\n")
		require.Equal(t, "xn--prxy-hra.test:80", addr)
	})
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		dialThrough(t, near, "socks5://prøxy.test", "ws://é.test")
		wantBytes(t, far, "\x05\x01\x00")
		_, err := far.Write([]byte("\x05\x00"))
		require.NoError(t, err)
		wantBytes(t, far, "\x05\x01\x00\x03\x0cxn--9ca.test\x00\x50")
	})
}

// By the URL Standard's special-query percent-encode set.
func TestURLQueryIsEscapedAsBrowsersDo(t *testing.T) {
	for query, want := range map[string]string{
		"q=a b":                 "q=a%20b",
		"q=é":                   "q=%C3%A9",
		"q=日本":                  "q=%E6%97%A5%E6%9C%AC",
		"q=\xff":                "q=%FF",
		`q="<'>"`:               "q=%22%3C%27%3E%22",
		"q=%20%zz%":             "q=%20%zz%",
		"q=[a]{b}|c\\^`":        "q=[a]{b}|c\\^`",
		"a=1&b=+;c=$,@:/?!*()~": "a=1&b=+;c=$,@:/?!*()~",
		"":                      "",
	} {
		t.Run(query, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				var asked *http.Request
				conn := wsstream.Dial(t.Context(), "ws://example.test/a b?"+query, &wsstream.DialOptions{
					NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
					Proxy:   func(r *http.Request) (*url.URL, error) { asked = r; return nil, nil },
				})
				defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
				require.Equal(t, "/a%20b?"+want, req.RequestURI)
				require.Equal(t, "ws://example.test/a%20b?"+want, conn.URL())
				require.Equal(t, "http://example.test/a%20b?"+want, asked.URL.String())
			})
		})
	}
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

func TestURLErrorShowsNoCredentials(t *testing.T) {
	for _, bad := range []string{
		"ws://eve:secret@example.test/#top", "ftp://eve@example.test/",
		"ws://eve:secret@example.test:65536/",
	} {
		t.Run(bad, func(t *testing.T) {
			conn := wsstream.Dial(t.Context(), bad, nil)
			err := notOpened(t, conn)
			require.Contains(t, conn.URL(), "://example.test")
			for _, shown := range []string{conn.URL(), err.Error()} {
				require.NotContains(t, shown, "eve")
				require.NotContains(t, shown, "secret")
			}
		})
	}
}
