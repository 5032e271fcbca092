package wsstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
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
	"github.com/wsstream/wsstream/stream"
)

var echo = wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
	for msg, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return err // a clean end is no error: it ends the loop
		}
		if err := conn.Writable().Write(r.Context(), msg); err != nil {
			return err
		}
	}
	return nil // sends all that was written, then closes with 1000
}, nil)

func shout(ctx context.Context, url string, words ...string) error {
	conn := wsstream.Dial(ctx, url, nil) // returns immediately; Write waits for the handshake
	defer conn.CloseNow()
	for _, word := range words {
		if err := conn.Writable().Write(ctx, wsstream.Text(word)); err != nil {
			return err
		}
		msg, err := conn.Readable().Pull(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", msg.Data)
	}
	return conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
}

func Example() {
	srv := httptest.NewServer(echo)
	defer srv.Close()
	if err := shout(context.Background(), srv.URL, "one", "two", "three"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
	// three
}

func ExampleNetConn() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		nc := wsstream.NetConn(conn, wsstream.TypeText)
		defer nc.Close()
		name, err := bufio.NewReader(nc).ReadString('\n')
		if err == nil {
			fmt.Fprintf(nc, "Good morning, %s", name)
		}
	}))
	defer srv.Close()

	nc := wsstream.NetConn(wsstream.Dial(context.Background(), srv.URL, nil), wsstream.TypeText)
	defer nc.Close()
	in := bufio.NewReader(nc)

	nc.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := in.ReadString('\n')
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded)) // and the connection goes on

	nc.SetReadDeadline(time.Time{})
	fmt.Fprintln(nc, "Ada")
	line, err := in.ReadString('\n')
	fmt.Print(line, err)
	// Output:
	// true
	// Good morning, Ada
	// <nil>
}

// dialSmall is a NetDial whose kernel buffers are small.
func dialSmall(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if tc, ok := nc.(*net.TCPConn); ok {
		err = errors.Join(tc.SetReadBuffer(16<<10), tc.SetWriteBuffer(16<<10))
	}
	return nc, err
}

// Kernel buffers that are small let a writer feel early that its peer is slow.
func ExampleDialOptions_socketBuffers() {
	conn := wsstream.Dial(
		context.Background(),
		"ws://example.test/",
		&wsstream.DialOptions{NetDial: dialSmall},
	)
	defer conn.CloseNow()
}

// A server that only writes notices clients that hang, that forget to read, and that are gone; and
// never one that is merely slow.
func ExampleAcceptOptions_keepalive() {
	options := &wsstream.AcceptOptions{
		PingInterval:      20 * time.Second, // which also keeps proxies from cutting what is silent
		PongTimeout:       10 * time.Second,
		WriteStallTimeout: time.Minute,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.Readable().Discard() // so that pongs and the Close are seen
		for n := range 3 {
			if err := conn.Writable().Write(r.Context(), wsstream.Text(fmt.Sprint(n))); err != nil {
				if end, ok := errors.AsType[*wsstream.Error](err); ok {
					fmt.Println(end.Err) // names the option
				}
				return
			}
		}
		_ = conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
	}))
	defer srv.Close()
	conn := wsstream.Dial(context.Background(), srv.URL, nil)
	defer conn.CloseNow()
	for msg, err := range conn.Readable().All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", msg.Data)
	}
	// Output:
	// 0
	// 1
	// 2
}

// The time to a server and back. No call has to read meanwhile.
func ExampleConn_Ping() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := wsstream.Accept(w, r, nil); err == nil {
			defer conn.CloseNow()
			_, _ = conn.Closed().Wait(r.Context()) // pings are answered without our doing
		}
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn := wsstream.Dial(ctx, srv.URL, nil)
	defer conn.CloseNow()
	trip, err := conn.Ping(ctx)
	fmt.Println(trip > 0, err)
	// Output: true <nil>
}

func goAway(ctx context.Context, acceptor *wsstream.Acceptor, srv *http.Server) error {
	err := acceptor.Shutdown(ctx) // waits for the connections and for its Handlers' functions
	return errors.Join(err, srv.Shutdown(ctx))
}

// A server that stops in order: clients get 1001 and time to finish, then the rest of the HTTP
// server goes.
func ExampleAcceptor() {
	var acceptor wsstream.Acceptor
	srv := httptest.NewServer(acceptor.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		_, err := conn.Readable().Pull(r.Context()) // a client has nothing to say here
		fmt.Println("cleaned up:", err)
		return err
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
	// Output:
	// cleaned up: wsstream: closed with 1001 (going away): the server is shutting down
	// 1001 (going away) "the server is shutting down" <nil>
}

// payload is what upload keeps of a message.
func payload(m wsstream.Message) ([]byte, error) { return m.Data, nil }

func upload(dir string) func(*wsstream.Conn, *http.Request) error {
	return func(conn *wsstream.Conn, r *http.Request) error {
		f, err := os.CreateTemp(dir, "part-*")
		if err != nil {
			return err // closes with 1011
		}
		defer os.Remove(f.Name()) // does nothing once the file is renamed
		chunks := stream.Map(conn.Readable(), payload)
		if err := stream.Pipe(r.Context(), stream.ToWriter(f), chunks, nil); err != nil {
			return err // for example, the user left the page: CloseCode(err) is 1001
		}
		return os.Rename(f.Name(), filepath.Join(dir, "upload"))
	}
}

// The file gets its name only after the client has closed with 1000 or without a code.
func ExampleHandler_upload() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	for _, info := range []wsstream.CloseInfo{{Code: 1001}, {Code: 1000}} {
		var acceptor wsstream.Acceptor
		srv := httptest.NewServer(acceptor.Handler(upload(dir)))
		conn := wsstream.Dial(ctx, srv.URL, nil)
		if err := conn.Writable().Write(ctx, wsstream.Text("all of a file")); err != nil {
			fmt.Println(err)
		}
		if err := conn.Shutdown(ctx, info); err != nil {
			fmt.Println(err)
		}
		_ = acceptor.Shutdown(ctx) // the function has returned
		srv.Close()
		got, err := os.ReadFile(filepath.Join(dir, "upload"))
		fmt.Printf("after %d: %q, %t\n", info.Code, got, err == nil)
	}
	// Output:
	// after 1001: "", false
	// after 1000: "all of a file", true
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

// The program limits the number of connections: a client that finds no place gets 503.
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
		echo.ServeHTTP(w, r) // which returns when the connection has ended
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

// A resolver of one's own is a net.Dialer's, and so are its other wishes. It tries all addresses of
// a name.
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
	conn := wsstream.Dial(
		context.Background(),
		"wss://feed.example.org/",
		&wsstream.DialOptions{NetDial: d.DialContext},
	)
	defer conn.CloseNow()
}

// A proxy of one's own choice, in the place of those of the environment.
func ExampleDial_proxy() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", "Basic")
		http.Error(w, "no credentials", http.StatusProxyAuthRequired)
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
		fmt.Printf("%v:\n%d, %s", refused.Err, refused.Status, refused.Body)
	}
	// Output:
	// it asks for credentials, and the URL that the option Proxy gives has none:
	// 407, no credentials
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

// A message of the chat in the examples.
type line struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// serve returns the URL of a server that gives each connection to f and closes it in order, and a
// function that ends the server.
func serve(f func(ctx context.Context, conn *wsstream.Conn) error) (url string, stop func()) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if err := f(r.Context(), conn); err != nil {
			log.Print(err)
		}
		conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
	}))
	return srv.URL, srv.Close
}

// JSON makes a stream of values of a stream of messages, and the other way round.
func ExampleJSON() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		lines := stream.Decode(conn.Readable(), wsstream.JSON[line]())
		answers := stream.Map(lines, func(l line) (line, error) {
			return line{From: "server", Text: l.From + " said " + l.Text}, nil
		})
		return stream.Pipe(ctx, stream.Encode(conn.Writable(), wsstream.JSON[line]()), answers, nil)
	})
	defer stop()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	in := stream.Decode(conn.Readable(), wsstream.JSON[line]())
	out := stream.Encode(conn.Writable(), wsstream.JSON[line]())
	for _, text := range []string{"hello", "bye"} {
		if err := out.Write(ctx, line{"ann", text}); err != nil {
			log.Print(err)
		}
	}
	for range 2 {
		l, err := in.Pull(ctx)
		fmt.Println(l.From+":", l.Text, err)
	}
	conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
	// Output:
	// server: ann said hello <nil>
	// server: ann said bye <nil>
}

// A bad message need not end the stream.
func ExampleJSON_skipBad() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		messages := stream.From(wsstream.Text(`{"from":"ann","text":"hello"}`), wsstream.Text("hi?"),
			wsstream.Text(`{"from":"ann","text":"bye"}`))
		return stream.Pipe(ctx, conn.Writable(), messages, nil)
	})
	defer stop()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	codec := wsstream.JSON[line]().SkipBad(func(_ wsstream.Message, err error) {
		fmt.Printf("skipped:\n%v\n", err)
	})
	for l, err := range stream.All(ctx, stream.Decode(conn.Readable(), codec)) {
		fmt.Println(l.From+":", l.Text, err)
	}
	// Output:
	// ann: hello <nil>
	// skipped:
	// wsstream: text message of 3 bytes, "hi?": invalid character 'h' looking for beginning of value
	// ann: bye <nil>
}

// A relay is one line: backpressure, both ends' closing and their failures pass through it.
func ExampleConn_Duplex() {
	backend, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		return stream.Pipe(ctx, conn.Writable(), conn.Readable(), nil) // an echo
	})
	defer stop()
	relay, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		return stream.Join(ctx, conn.Duplex(), wsstream.Dial(ctx, backend, nil).Duplex())
	})
	defer stop()

	if err := shout(context.Background(), relay, "through", "and back"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// through
	// and back
}

// A queue of messages is bounded by their bytes.
func ExampleBytes() {
	q := stream.NewQueueOf(wsstream.Bytes(10))
	for _, text := range []string{"hello", "there, you", "?"} {
		ok, err := q.TryWrite(wsstream.Text(text))
		fmt.Println(ok, err, q.DesiredSize())
	}
	// Output:
	// true <nil> 5
	// true <nil> -5
	// false <nil> -5
}

// A message of any length is sent as it is made, and read as it comes.
func ExampleMessageWriter_ReadFrom() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		w, err := conn.Writable().NewMessage(ctx, wsstream.TypeText)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, strings.NewReader("a long file")); err != nil {
			_ = conn.Writable().Abort(err) // the message will have no end
			return err
		}
		return w.Close()
	})
	defer stop()

	conn := wsstream.Dial(context.Background(), url, nil)
	defer conn.CloseNow()
	r, err := conn.Readable().NextMessage(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := io.Copy(os.Stdout, r)
	fmt.Printf("\n%d bytes, %v\n", n, err)
	// Output:
	// a long file
	// 11 bytes, <nil>
}

// A Conn's halves are a source and a sink among others: here a log's lines are sent, and what comes
// back is printed.
func ExampleConn_Writable_pipe() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		return stream.Pipe(ctx, conn.Writable(), conn.Readable(), nil) // an echo
	})
	defer stop()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	lines := stream.Lines(stream.FromReader(strings.NewReader("started\nstopped\n"), 0), 80)
	texts := stream.Map(lines,
		func(s string) (wsstream.Message, error) { return wsstream.Text(s), nil })
	goesOn := &stream.PipeOptions{PreventClose: true}
	if err := stream.Pipe(ctx, conn.Writable(), texts, goesOn); err != nil {
		log.Print(err)
	}
	for range 2 {
		msg, err := conn.Readable().Pull(ctx)
		fmt.Println(string(msg.Data), err)
	}
	conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
	// Output:
	// started <nil>
	// stopped <nil>
}

// One stream goes to many connections. A prepared message is encoded once for all of them. A slow
// client loses messages, the oldest first, and does not slow the others down.
func ExampleMessage_Prepare() {
	room := stream.NewBroadcast[wsstream.Message](nil)
	var here sync.WaitGroup
	here.Add(3)
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		conn.Readable().Discard() // it only writes
		sub := stream.Subscribe(room, wsstream.Bytes(1<<20), stream.DropOldest())
		here.Done()
		return stream.Pipe(ctx, conn.Writable(), sub, nil)
	})
	defer stop()

	ctx := context.Background()
	var clients []*wsstream.Conn
	for range 3 {
		conn := wsstream.Dial(ctx, url, nil)
		defer conn.CloseNow()
		clients = append(clients, conn)
	}
	here.Wait()
	for _, news := range []string{"one", "two"} {
		if err := room.Publish(ctx, wsstream.Text(news).Prepare()); err != nil {
			log.Print(err)
		}
	}
	if err := room.Close(ctx); err != nil {
		log.Print(err)
	}
	for i, conn := range clients {
		for msg, err := range conn.Readable().All(ctx) {
			fmt.Printf("client %d: %s %v\n", i, msg.Data, err)
		}
	}
	// Output:
	// client 0: one <nil>
	// client 0: two <nil>
	// client 1: one <nil>
	// client 1: two <nil>
	// client 2: one <nil>
	// client 2: two <nil>
}
