package adapters

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestANetConnIsATrueNetConnInMemory(t *testing.T) {
	for name, o := range map[string]*wstest.PairOptions{
		"defaults": nil,
		"the smallest windows": {
			Dial:   &wsstream.DialOptions{ReadWindow: 256, WriteWindow: 256, MaxFrameSize: 100},
			Accept: &wsstream.AcceptOptions{ReadWindow: 256, WriteWindow: 256, MaxFrameSize: 100},
			Limit:  256,
		},
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				pair := wstest.Pair(t, o)
				c1, c2, stop = ends(pair.Client, pair.Server)
				return c1, c2, stop, nil
			})
		})
	}
}

func TestANetConnIsATrueNetConnOverTCP(t *testing.T) { overHTTP(t, (*httptest.Server).Start) }
func TestANetConnIsATrueNetConnOverTLS(t *testing.T) { overHTTP(t, (*httptest.Server).StartTLS) }

func overHTTP(t *testing.T, start func(*httptest.Server)) {
	accepted := make(chan *wsstream.Conn, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := wsstream.Accept(w, r, nil); err == nil {
			accepted <- conn
		}
	}))
	start(srv)
	defer srv.Close()
	options := new(wsstream.DialOptions)
	if srv.TLS != nil {
		options.TLSConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig
	}
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client := wsstream.Dial(t.Context(), srv.URL, options)
		_, err = client.Opened().Wait(t.Context())
		require.NoError(t, err)
		c1, c2, stop = ends(client, <-accepted)
		return c1, c2, stop, nil
	})
}

// ends returns both as net.Conns. stop closes both concurrently, because each waits for the other.
func ends(client, server *wsstream.Conn) (c1, c2 net.Conn, stop func()) {
	c1 = wsstream.NetConn(server, wsstream.TypeBinary)
	c2 = wsstream.NetConn(client, wsstream.TypeBinary)
	return c1, c2, func() {
		var both sync.WaitGroup
		both.Go(func() { _ = c1.Close() })
		both.Go(func() { _ = c2.Close() })
		both.Wait()
	}
}
