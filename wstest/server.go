package wstest

import (
	"net/http"
	"testing"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A Server is an HTTP server in memory.
type Server struct {
	// Listener is where the server accepts connections. A test dials it for a bare connection, or
	// gives it to an http.Transport.
	Listener *memnet.Listener

	t    testing.TB
	http http.Server
	done chan struct{} // closed when the server has stopped
}

// NewServer returns a server for h in memory. When the test ends, NewServer stops the server, and
// cuts the Conns that [Server.Dial] made. In a synctest bubble, call it inside the bubble.
func NewServer(t testing.TB, h http.Handler) *Server {
	s := &Server{Listener: memnet.Listen(), t: t, done: make(chan struct{})}
	s.http.Handler = h
	go func() { // the server's own: it ends with the test
		defer close(s.done)
		_ = s.http.Serve(s.Listener)
	}()
	t.Cleanup(func() {
		_ = s.http.Close()
		<-s.done
	})
	return s
}

// Dial connects to the server's handler at path, such as "/feed?from=1". The server sets the
// NetDial of o. If o is nil, it is the zero value. Like [wsstream.Dial], Dial returns immediately.
func (s *Server) Dial(path string, o *wsstream.DialOptions) *wsstream.Conn {
	c := wsstream.Dial(s.t.Context(), "ws://server.test"+path, dialBy(o, s.Listener.Dial))
	cutAtEnd(s.t, c)
	return c
}
