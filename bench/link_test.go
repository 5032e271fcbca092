package main_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/peer"
)

// A link is a library's connection with the neutral peer at the other end, over loopback TCP.
type link struct {
	conn library.Conn
	peer *peer.Peer
}

func (l *link) close() {
	l.conn.Close()
	l.peer.Close()
}

// An opener opens fresh links of one library in one role.
type opener func() *link

// asServer returns an opener of links whose library accepts, from net/http.
func asServer(tb testing.TB, lib library.Library) opener {
	conns := make(chan library.Conn)
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := lib.Accept(w, r); err == nil {
			conns <- c
		}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	go s.Serve(l) // ends with the Close of the cleanup
	tb.Cleanup(func() { _ = s.Close() })
	return func() *link {
		p, err := peer.Dial(context.Background(), l.Addr().String())
		require.NoError(tb, err)
		return &link{<-conns, p}
	}
}

// asClient returns an opener of links whose library dials.
func asClient(tb testing.TB, lib library.Library) opener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	return func() *link {
		near, err := net.Dial("tcp", l.Addr().String())
		require.NoError(tb, err)
		far, err := l.Accept()
		require.NoError(tb, err)
		type accepted struct {
			*peer.Peer
			error
		}
		c := make(chan accepted, 1)
		go func() { // ends with the handshake, or with near
			p, err := peer.Accept(far)
			c <- accepted{p, err}
		}()
		conn, err := lib.Dial(near)
		require.NoError(tb, err)
		a := <-c
		require.NoError(tb, a.error)
		return &link{conn, a.Peer}
	}
}

// roles are the sides that a library can be on. Its server gets masked frames, its client sends them.
var roles = []struct {
	name string
	open func(testing.TB, library.Library) opener
}{
	{"server", asServer},
	{"client", asClient},
}
