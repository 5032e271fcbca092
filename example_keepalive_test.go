package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wsstream/wsstream"
)

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
