package resume_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a server and its network, in a synctest bubble.
type world struct {
	t        *testing.T
	server   *resume.Server
	listener *memnet.Listener
	sessions chan *resume.Session // of the server, as they come
	over     chan struct{}        // closed when the test is

	mu       sync.Mutex
	nets     []*memnet.Conn // of the clients, as they dial
	accepted []*memnet.Conn // the other ends
	refuse   bool           // dialling fails
	prepare  func(*memnet.Conn)
}

// inWorld runs f in a bubble with a server. serve may be nil: then a session is the test's.
func inWorld(
	t *testing.T, o *resume.ServerOptions, serve func(*resume.Session, *http.Request) error,
	f func(*testing.T, *world),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, sessions: make(chan *resume.Session, 100), over: make(chan struct{})}
		if serve == nil {
			serve = func(s *resume.Session, _ *http.Request) error {
				w.sessions <- s
				<-w.over
				return nil
			}
		}
		w.server = resume.NewServer(serve, o)
		w.listener = wstest.NewServer(t, http.HandlerFunc(w.serveHTTP)).Listener
		t.Cleanup(func() { <-time.After(10 * time.Minute) }) // all timeouts; then nothing runs
		defer close(w.over)
		f(t, w)
	})
}

func (w *world) netDial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse {
		return nil, net.ErrClosed
	}
	nc, err := w.listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	w.nets = append(w.nets, nc.(*memnet.Conn))
	if w.prepare != nil {
		w.prepare(nc.(*memnet.Conn))
	}
	return nc, nil
}

// serveHTTP notes the server's end of a connection.
func (w *world) serveHTTP(rw http.ResponseWriter, r *http.Request) {
	w.server.ServeHTTP(hijacker{rw, w}, r)
}

type hijacker struct {
	http.ResponseWriter
	w *world
}

// Hijack notes the connection.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, b, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil {
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		h.w.accepted = append(h.w.accepted, nc.(*memnet.Conn))
	}
	return nc, b, err
}

// dial starts a client, which ends with the test.
func (w *world) dial(o *resume.DialOptions) *resume.Session {
	var own resume.DialOptions
	if o != nil {
		own = *o
	}
	var conn wsstream.DialOptions
	if own.Conn != nil {
		conn = *own.Conn
	}
	conn.NetDial = w.netDial
	own.Conn = &conn
	s := resume.Dial(w.t.Context(), "ws://server.test/", &own)
	w.t.Cleanup(func() {
		s.CloseNow()
		<-s.Closed().Done()
	})
	return s
}

// pair returns a client and its session of the server, both open.
func (w *world) pair(o *resume.DialOptions) (client, server *resume.Session) {
	client = w.dial(o)
	_, err := client.Opened().Wait(w.t.Context())
	require.NoError(w.t, err)
	server = <-w.sessions
	_, err = server.Opened().Wait(w.t.Context())
	require.NoError(w.t, err)
	return client, server
}

// offline lets dialling fail, and cuts the last connection.
func (w *world) offline() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = true
	w.nets[len(w.nets)-1].Cut()
}

// online lets dialling work again.
func (w *world) online() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = false
}

// cut cuts the last connection.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nets[len(w.nets)-1].Cut()
}

// stall holds back what the client's end of the last connection sends.
func (w *world) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nets[len(w.nets)-1].Stall(true)
}

// lastAccepted returns the server's end of the last connection.
func (w *world) lastAccepted() *memnet.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted[len(w.accepted)-1]
}

// unended returns how many connections the server has not closed.
func (w *world) unended() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, nc := range w.accepted {
		if !nc.Closed() {
			n++
		}
	}
	return n
}

func (w *world) write(s *resume.Session, text string) {
	w.t.Helper()
	require.NoError(w.t, s.Writable().Write(w.t.Context(), wsstream.Text(text)))
}

func (w *world) want(s *resume.Session, text string) {
	w.t.Helper()
	m, err := s.Readable().Pull(w.t.Context())
	require.NoError(w.t, err)
	require.Equal(w.t, wsstream.TypeText, m.Type)
	require.Equal(w.t, text, string(m.Data))
}

// within fails the test if f takes longer than d.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	require.LessOrEqual(t, time.Since(start), d)
}
