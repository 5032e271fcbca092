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
