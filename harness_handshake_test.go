package wsstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// onBothPaths runs f with the two ends of a transport before any handshake, in memory under
// synctest and over TCP.
func onBothPaths(t *testing.T, f func(t *testing.T, near, far net.Conn)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			f(t, near, far)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := pipes.TCP(t, 0)
		f(t, near, far)
	})
}

// dialOver starts a handshake on nc, and cuts the Conn when the test ends.
func dialOver(t *testing.T, nc net.Conn, o *wsstream.DialOptions) *wsstream.Conn {
	var own wsstream.DialOptions
	if o != nil {
		own = *o
	}
	own.NetDial = func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	conn := wsstream.Dial(t.Context(), "ws://example.test/", &own)
	t.Cleanup(func() {
		conn.CloseNow()
		<-conn.Closed().Done()
		nc.Close() // one that was abandoned before it was used
	})
	return conn
}

// notOpened waits for a handshake to fail, and returns why: both futures say the same.
func notOpened(t *testing.T, conn *wsstream.Conn) error {
	t.Helper()
	_, err := conn.Opened().Wait(patient(t))
	require.Error(t, err)
	_, end := conn.Closed().Wait(patient(t))
	require.Equal(t, err, end)
	return err
}

// A dialled NetDial counts its calls, and connects to no server.
type dialled struct {
	calls atomic.Int32
	addr  string // of the last call; it is read after the handshake has failed
}

func (d *dialled) dial(_ context.Context, _, addr string) (net.Conn, error) {
	d.calls.Add(1)
	d.addr = addr
	return nil, errNoRoute
}

var errNoRoute = errors.New("no route")

// A failure is one event of the table on a connection whose handshake is not done.
type failure struct {
	event string
	url   string // empty: a good one
	opts  wsstream.DialOptions
	fail  func(d *dialling)
	check func(t *testing.T, err error) // what all calls and both futures give
}

// A dialling is a Conn whose handshake waits for the peer's answer.
type dialling struct {
	t      *testing.T
	ctx    context.Context // of calls
	conn   *wsstream.Conn
	peer   *wstest.Peer
	cancel context.CancelCauseFunc // of Dial's context
	mem    bool
}

func (d *dialling) quiet() { (&end{mem: d.mem}).quiet() }

// whileDialling runs f while a handshake waits, in memory under synctest and over TCP.
func whileDialling(t *testing.T, f failure, test func(*dialling)) {
	dial := func(t *testing.T, near, far net.Conn) *dialling {
		t.Cleanup(func() { near.Close() })
		d := &dialling{t: t, ctx: patient(t), peer: wstest.NewPeer(t, far, wstest.AsServer)}
		ctx, cancel := context.WithCancelCause(t.Context())
		d.cancel = cancel
		bad := f.fail == nil
		f.opts.NetDial = func(context.Context, string, string) (net.Conn, error) {
			if bad {
				t.Error("something was dialled")
			}
			return near, nil
		}
		if f.url == "" {
			f.url = "ws://example.test/"
		}
		d.conn = wsstream.Dial(ctx, f.url, &f.opts)
		if !bad {
			d.peer.ReadRequest()
		}
		return d
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			d := dial(t, near, far)
			d.mem = true
			test(d)
			synctest.Wait()
			require.Equal(t, f.fail != nil, near.Closed(),
				"the transport of a handshake that failed is closed")
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := pipes.TCP(t, 0)
		test(dial(t, near, far))
	})
}

// through returns the options of a Dial that goes through the proxy.
func through(proxy string) *wsstream.DialOptions {
	u, err := url.Parse(proxy)
	return &wsstream.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return u, err }}
}

// dialThrough starts a handshake with url on nc, through a proxy.
func dialThrough(t *testing.T, nc net.Conn, proxy, url string) *wsstream.Conn {
	o := through(proxy)
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	conn := wsstream.Dial(t.Context(), url, o)
	t.Cleanup(func() {
		conn.CloseNow()
		<-conn.Closed().Done()
	})
	return conn
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

// serveTCP answers each connection as f does, and returns the address. It ends with the test.
func serveTCP(t *testing.T, f func(nc net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			f(nc)
			nc.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// greet says hello and closes.
var greet = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	conn, err := wsstream.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	_ = conn.Writable().Write(r.Context(), wsstream.Text("hello from "+conn.URL()))
	_ = conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
})

// greeter returns a server that greets, with TLS or not, whose certificate is for example.com and
// 127.0.0.1.
func greeter(t *testing.T, secure bool, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

// rootsOf returns the certificates of servers.
func rootsOf(servers ...*httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	for _, srv := range servers {
		if srv.TLS != nil {
			roots.AddCert(srv.Certificate())
		}
	}
	return roots
}

// A service is a server under test: ask sends a client's bytes, and returns the response and what
// Accept or AcceptConn returned.
type service struct {
	bare bool
	ask  func(t *testing.T, raw []byte) (*http.Response, error)
}

// onEveryService runs f with a server on net/http and on a bare connection, in memory under
// synctest and over TCP.
func onEveryService(t *testing.T, o *wsstream.AcceptOptions, f func(t *testing.T, s service)) {
	t.Run("bare", func(t *testing.T) {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			f(t, service{true, func(t *testing.T, raw []byte) (*http.Response, error) {
				peer := wstest.NewPeer(t, far, wstest.AsClient)
				accepted := goAccept(t, near, o)
				peer.SendRaw(raw)
				res := peer.ReadResponse()
				peer.Close()
				return res, <-accepted
			}})
		})
	})
	accepted := func() (chan error, http.Handler) {
		accepted := make(chan error, 1)
		return accepted, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(w, r, o)
			if err == nil {
				conn.CloseNow()
			}
			accepted <- err
		})
	}
	ask := func(t *testing.T, nc net.Conn, raw []byte, accepted chan error) (*http.Response, error) {
		peer := wstest.NewPeer(t, nc, wstest.AsClient)
		peer.SendRaw(raw)
		res := peer.ReadResponse()
		peer.Close()
		return res, <-accepted
	}
	t.Run("http/memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			accepted, h := accepted()
			srv := wstest.NewServer(t, h)
			f(t, service{false, func(t *testing.T, raw []byte) (*http.Response, error) {
				nc, err := srv.Listener.Dial(t.Context())
				require.NoError(t, err)
				return ask(t, nc, raw, accepted)
			}})
		})
	})
	t.Run("http/tcp", func(t *testing.T) {
		accepted, h := accepted()
		srv := httptest.NewServer(h)
		defer srv.Close()
		f(t, service{false, func(t *testing.T, raw []byte) (*http.Response, error) {
			nc, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			return ask(t, nc, raw, accepted)
		}})
	})
}

// goAccept accepts on a goroutine of its own, and cuts what was accepted.
func goAccept(t *testing.T, near net.Conn, o *wsstream.AcceptOptions) <-chan error {
	accepted := make(chan error, 1)
	go func() {
		conn, err := wsstream.AcceptConn(patient(t), near, o)
		if err == nil {
			conn.CloseNow()
		}
		accepted <- err
	}()
	return accepted
}

// wantRefusal requires that a response and an error tell the same.
func wantRefusal(t *testing.T, res *http.Response, err error, status int, says string) {
	t.Helper()
	body, _ := io.ReadAll(res.Body)
	require.Equal(t, status, res.StatusCode, "%s", body)
	require.Contains(t, string(body), says)
	require.Empty(t, res.Header.Values("Sec-WebSocket-Accept"))
	var refused *wsstream.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, status, refused.Status)
	require.ErrorContains(t, err, says)
}

// wantDropped waits for the end of the transport: nothing comes before it. TCP resets one with
// unread input.
func wantDropped(t *testing.T, peer *wstest.Peer) {
	t.Helper()
	f, err := peer.Next()
	require.Error(t, err, "%v", f)
	require.True(t, err == io.EOF || errors.Is(err, syscall.ECONNRESET), "%v", err)
}

// requirePlain requires an error of the call, not of a connection.
func requirePlain(t *testing.T, err error) {
	t.Helper()
	_, handshake := errors.AsType[*wsstream.HandshakeError](err)
	_, end := errors.AsType[*wsstream.Error](err)
	require.False(t, handshake || end, "%#v", err)
	require.ErrorContains(t, err, "wsstream: ")
}

// serving dials a Handler of f in memory, and returns the client's Conn.
func serving(t *testing.T, o *wsstream.AcceptOptions, f function) *wsstream.Conn {
	conn := wstest.NewServer(t, wsstream.Handler(f, o)).Dial("/", nil)
	t.Cleanup(conn.CloseNow)
	_, err := conn.Opened().Wait(t.Context())
	require.NoError(t, err)
	return conn
}

// A function is that of a Handler.
type function = func(conn *wsstream.Conn, r *http.Request) error

// A key is one of a request's values.
type key struct{}

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
