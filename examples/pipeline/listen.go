package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream"
)

// A listener is an HTTP server that takes one WebSocket and refuses all others.
type listener struct {
	url    string
	window int
	srv    http.Server
	serve  sync.WaitGroup
	taken  atomic.Bool
	conns  chan *wsstream.Conn // has room for the one
}

// listen listens on o.listen, or else on any port that only this machine reaches.
func listen(o options) (*listener, error) {
	nl, err := net.Listen("tcp", cmp.Or(o.listen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	l := &listener{
		url:    "ws://" + nl.Addr().String(),
		window: o.window,
		conns:  make(chan *wsstream.Conn, 1),
	}
	l.srv.Handler = l
	l.srv.ReadHeaderTimeout = 10 * time.Second
	// only the client itself learns why it could not connect
	l.srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	l.serve.Go(func() { _ = l.srv.Serve(nl) }) // ends with close
	return l, nil
}

// ServeHTTP hands the connection over and returns: a Conn outlives its handler.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !l.taken.CompareAndSwap(false, true) {
		http.Error(w, "there is a sender already", http.StatusServiceUnavailable)
		return
	}
	conn, err := wsstream.Accept(w, r, &wsstream.AcceptOptions{ReadWindow: l.window})
	if err != nil { // and Accept has answered
		l.taken.Store(false)
		return
	}
	l.conns <- conn
}

func (l *listener) accept(ctx context.Context) (*wsstream.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close ends the server, and a connection that was not taken.
func (l *listener) close() {
	_ = l.srv.Close() // the port is all that it holds
	l.serve.Wait()
	select {
	case conn := <-l.conns:
		conn.CloseNow()
	default:
	}
}
