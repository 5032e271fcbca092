package wsstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/wsstream/wsstream"
)

var echo = wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
	for msg, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return err // the client did not say that it was done; the loop is over when it did
		}
		if err := conn.Writable().Write(r.Context(), msg); err != nil {
			return err
		}
	}
	return nil // closes with 1000, behind all that was written
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
	conn := wsstream.Dial(context.Background(), "ws://example.test/", &wsstream.DialOptions{NetDial: dialSmall})
	defer conn.CloseNow()
}

// A server that only writes notices clients that hang, that forget to read, and that are gone; and never one that is
// merely slow.
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

// The time to a server and back. Nobody has to read meanwhile.
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
