package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
)

func goAway(ctx context.Context, acceptor *wsstream.Acceptor, srv *http.Server) error {
	err := acceptor.Shutdown(ctx) // whose Accept the handlers call
	return errors.Join(err, srv.Shutdown(ctx))
}

// A server that stops in order: clients get 1001 and time to finish, then the rest of the HTTP server goes.
func ExampleAcceptor() {
	var acceptor wsstream.Acceptor
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := acceptor.Accept(w, r)
		if err != nil {
			return // and after Shutdown the client got 503
		}
		defer conn.CloseNow()
		for range conn.Readable().All(r.Context()) {
			// a client has nothing to say here
		}
	}))
	defer srv.Close()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, srv.URL, nil)
	defer conn.CloseNow()
	if _, err := conn.Opened().Wait(ctx); err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // in a program, when a signal has come
	defer cancel()
	if err := goAway(ctx, &acceptor, srv.Config); err != nil {
		fmt.Println("some were cut:", err)
	}
	info, err := conn.Closed().Wait(ctx)
	fmt.Println(info, err)
	// Output: 1001 (going away) "the server is shutting down" <nil>
}

// A server without net/http: whatever listens, TLS and unix sockets too.
func ExampleAcceptConn() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	var acceptor wsstream.Acceptor
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			nc, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			handlers.Go(func() { // since a client may take HandshakeTimeout for its request
				ctx := context.Background()
				conn, err := acceptor.AcceptConn(ctx, nc)
				if err != nil {
					return // nc is closed, and a client that can be answered was
				}
				defer conn.CloseNow()
				for msg, err := range conn.Readable().All(ctx) {
					if err != nil || conn.Writable().Write(ctx, msg) != nil {
						return
					}
				}
			})
		}
	})

	ctx := context.Background()
	if err := shout(ctx, "ws://"+l.Addr().String(), "one", "two"); err != nil {
		fmt.Println(err)
	}
	_ = l.Close()
	_ = acceptor.Shutdown(ctx)
	handlers.Wait()
	// Output:
	// one
	// two
}

// How many connections there may be is the program's to say: who does not get one of the places gets 503.
func ExampleAccept_maxConns() {
	places := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Retry-After", "10")
			http.Error(w, "all places are taken", http.StatusServiceUnavailable)
			return
		}
		echo(w, r) // which returns when the connection has ended
	}))
	defer srv.Close()

	ctx := context.Background()
	first := wsstream.Dial(ctx, srv.URL, nil)
	defer first.CloseNow()
	_, err := first.Opened().Wait(ctx)
	fmt.Println(err)
	_, err = wsstream.Dial(ctx, srv.URL, nil).Opened().Wait(ctx)
	if refused, ok := errors.AsType[*wsstream.HandshakeError](err); ok {
		fmt.Printf("%d, %s s: %s", refused.Status, refused.Header.Get("Retry-After"), refused.Body)
	}
	// Output:
	// <nil>
	// 503, 10 s: all places are taken
}

// A server behind a unix socket: NetDial says where it is, and the URL what is asked of it.
func ExampleDial_unixSocket() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httptest.NewUnstartedServer(greet)
	_ = srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	defer srv.Close()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, "ws://localhost/feed", &wsstream.DialOptions{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	})
	defer conn.CloseNow()
	msg, err := conn.Readable().Pull(ctx)
	fmt.Printf("%s %v", msg.Data, err)
	// Output: hello from ws://localhost/feed <nil>
}

// A resolver of one's own is a net.Dialer's, and so are its other wishes. It tries all addresses of a name.
func ExampleDial_resolver() {
	d := &net.Dialer{
		Resolver: &net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "192.0.2.53:53")
			},
		},
		FallbackDelay: 100 * time.Millisecond, // before IPv4 is tried beside IPv6
		KeepAlive:     time.Minute,
	}
	conn := wsstream.Dial(context.Background(), "wss://feed.example.org/", &wsstream.DialOptions{NetDial: d.DialContext})
	defer conn.CloseNow()
}

// A proxy of one's own choice, in the place of those of the environment.
func ExampleDial_proxy() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", "Basic")
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, "wss://example.org/", &wsstream.DialOptions{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "localhost" {
				return nil, nil // none
			}
			return url.Parse(proxy.URL) // "http://user:password@host:port", https, socks5
		},
	})
	_, err := conn.Opened().Wait(ctx)
	if refused, ok := errors.AsType[*wsstream.ProxyError](err); ok {
		fmt.Printf("%v: %d, %s", refused.Err, refused.Status, refused.Body)
	}
	// Output: it asks for credentials, and the URL that the option Proxy gives has none: 407, who are you?
}

// dialOn follows redirects.
func dialOn(ctx context.Context, address string, o *wsstream.DialOptions) (*wsstream.Conn, error) {
	for range 5 {
		conn := wsstream.Dial(ctx, address, o)
		_, err := conn.Opened().Wait(ctx)
		refused, ok := errors.AsType[*wsstream.HandshakeError](err)
		if !ok || refused.Status/100 != 3 || refused.Header.Get("Location") == "" {
			return conn, err
		}
		from, _ := url.Parse(address) // Dial has parsed it
		to, err := from.Parse(refused.Header.Get("Location"))
		if err != nil {
			return nil, err
		}
		plain := func(u *url.URL) bool { return u.Scheme == "ws" || u.Scheme == "http" }
		if to.Hostname() != from.Hostname() || plain(to) && !plain(from) {
			return nil, fmt.Errorf("a redirect to %s: %w", to.Redacted(), refused)
		}
		to.User = from.User
		address = to.String()
	}
	return nil, errors.New("more than 5 redirects")
}

// Dial follows no redirect: the error says where it leads to, and the program decides.
func ExampleHandshakeError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/old":
			http.Redirect(w, r, "/feed", http.StatusMovedPermanently)
		case "/elsewhere":
			w.Header().Set("Location", "https://example.org/feed")
			w.WriteHeader(http.StatusFound)
		default:
			greet(w, r)
		}
	}))
	defer srv.Close()

	ctx := context.Background()
	conn, err := dialOn(ctx, srv.URL+"/old", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	fmt.Println(strings.TrimPrefix(conn.URL(), "ws"+strings.TrimPrefix(srv.URL, "http")))
	_, err = dialOn(ctx, srv.URL+"/elsewhere", nil)
	fmt.Println(err)
	// Output:
	// /feed
	// a redirect to https://example.org/feed: wsstream: handshake: the server did not switch to WebSocket (status 302 Found, which leads to "https://example.org/feed")
}
