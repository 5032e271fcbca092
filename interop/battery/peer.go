package battery

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
)

// A Server is a peer that we dial.
type server struct {
	process *trial.Process
	url     string
}

// Server runs the battery against a server that says its URL.
func Server(t *trial.T, p *trial.Process, s Settings) { ServerAt(t, p, p.URL(t), s) }

// ServerAt runs the battery against a server whose URL is known.
func ServerAt(t *trial.T, p *trial.Process, url string, s Settings) { Run(t, &server{p, url}, s) }

func (s *server) Open(t *trial.T, o Options) *wsstream.Conn {
	return wsstream.Dial(t.Context(), s.url, o.Dial())
}

func (s *server) Process() *trial.Process { return s.process }

// A client is a peer that dials us.
type client struct {
	process *trial.Process
	site    *Site
}

// Client runs the battery against a client that dials each URL that it reads from its standard
// input.
func Client(t *trial.T, p *trial.Process, s Settings) { Run(t, &client{p, NewSite(t)}, s) }

// In runs the battery against a peer in the given role.
func In(role trial.Role, t *trial.T, p *trial.Process, s Settings) {
	if role == trial.Client {
		Client(t, p, s)
	} else {
		Server(t, p, s)
	}
}

func (c *client) Open(t *trial.T, o Options) *wsstream.Conn {
	c.site.Forget() // of a check for which the client did not come
	c.site.Options <- o
	c.process.Tell(t, "%s", c.site.URL)
	return c.site.Accepted(t)
}

func (c *client) Process() *trial.Process { return c.process }

// A Site is a server of ours.
type Site struct {
	URL     string
	Options chan Options // of the connection that comes next
	conns   chan accepted
}

type accepted struct {
	conn *wsstream.Conn
	err  error
}

// NewSite starts a server, which ends with the trial.
func NewSite(t *trial.T) *Site {
	s := &Site{Options: make(chan Options, 1), conns: make(chan accepted, 1)}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = strings.Replace(h.URL, "http", "ws", 1) + "/"
	return s
}

// ServeHTTP accepts a connection that a check expects.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case o := <-s.Options:
		conn, err := wsstream.Accept(w, r, o.Accept())
		s.conns <- accepted{conn, err}
	default:
		http.Error(w, "no check expects a connection", http.StatusServiceUnavailable)
	}
}

// Forget takes back the options of a connection that did not come.
func (s *Site) Forget() {
	select {
	case <-s.Options:
	case <-s.conns:
	default:
	}
}

// Accepted waits for the connection.
func (s *Site) Accepted(t *trial.T) *wsstream.Conn {
	a := trial.Take(t, s.conns, "the client did not come")
	require.NoError(t, a.err)
	return a.conn
}

// Addr returns the address of a URL.
func Addr(t *trial.T, url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	_, _, err := net.SplitHostPort(host)
	require.NoError(t, err)
	return host
}
