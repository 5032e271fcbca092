package wstest

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A Server is an HTTP server in memory.
type Server struct {
	// Listener is where the server accepts: it can be dialled for a bare connection, and given to an http.Transport.
	Listener *memnet.Listener

	t    testing.TB
	http http.Server
	done chan struct{} // closed when the server has stopped
}

// NewServer returns a server that serves h in memory. The end of the test stops it, and cuts the Conns that Dial
// made. In a synctest bubble it is called inside the bubble.
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

// Dial connects to the server's handler at path, "/feed?from=1". Of o, NetDial is the server's own; nil stands for
// the zero value. Like wsstream.Dial it returns at once.
func (s *Server) Dial(path string, o *wsstream.DialOptions) *wsstream.Conn {
	c := wsstream.Dial(s.t.Context(), "ws://server.test"+path, dialIn(o, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return s.Listener.Dial(ctx)
	}))
	cutAtEnd(s.t, c)
	return c
}
