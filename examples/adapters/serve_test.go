package adapters

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial starts an HTTP server whose clients handle gets as net.Conns, and connects to it. stop
// closes both ends and waits until handle has returned.
func dial(handle func(net.Conn)) (nc net.Conn, stop func()) {
	var handlers sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		conn, err := wsstream.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered the request
		}
		defer conn.CloseNow()
		handle(wsstream.NetConn(conn, wsstream.TypeBinary))
	}))
	conn := wsstream.Dial(context.Background(), srv.URL, nil)
	nc = wsstream.NetConn(conn, wsstream.TypeBinary) // its first call waits for the handshake
	return nc, func() {
		_ = nc.Close()
		handlers.Wait()
		srv.Close()
	}
}
