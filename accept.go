package wsstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/wsstream/wsstream/internal/handshake"
)

// Accept makes the server's side of the handshake in an HTTP handler, over HTTP/1.1. It returns an
// open Conn. The Conn outlives the handler and the context of the request: end it with Shutdown,
// and with a deferred CloseNow as the last resort.
//
// If Accept returns an error, the request was answered: a *HandshakeError has the status. Bad
// options are answered with 500, and are a plain error: see [AcceptOptions.Check].
//
// w must be an http.Hijacker, or unwrap to one, as http.ResponseController finds it. The fields in
// w's header are sent with the response, for example cookies that a middleware has set. Fields of
// the handshake, and fields that concern one hop only, are not sent. Accept does not call
// WriteHeader, so fields that a middleware adds there are not sent either.
//
// RFC 6455, section 4.2.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	return accept(w, r, o, nil)
}

func accept(
	w http.ResponseWriter, r *http.Request, o *AcceptOptions, a *Acceptor,
) (_ *Conn, err error) {
	s, err := o.responder(a)
	if err != nil {
		status := http.StatusInternalServerError
		http.Error(w, http.StatusText(status), status)
		return nil, err
	}
	s.starts(false)
	defer func() { s.failed(err, r.RemoteAddr) }()
	t, err := s.server.Accept(w, r, s)
	c, err := s.open(t, err)
	if err != nil && t != nil {
		_ = t.Conn.Close()
	}
	return c, err
}

// AcceptConn makes the server's side of the handshake on a bare connection, TLS or not. It returns
// an open Conn. Its Opened has the request's header, and its URL is the address that the client
// asked for.
//
// AcceptConn owns nc, and sets its deadlines. If it returns an error, nc is closed. The error is a
// *HandshakeError if the client could be answered. A client that was refused has a second to read
// the answer and to close. AcceptConn waits for that. If ctx ends before the handshake is done, the
// error is context.Cause(ctx).
//
// The handshake is made on a goroutine of its own. The hooks of Trace, OnPing and OnPong that
// belong to the handshake run there.
//
// RFC 6455, section 4.2.
func AcceptConn(ctx context.Context, nc net.Conn, o *AcceptOptions) (*Conn, error) {
	return acceptConn(ctx, nc, o, nil)
}

// acceptConn makes the handshake on a goroutine that ends with it. The caller's goroutine would
// keep the stack that the handshake needs, four times that of a waiting Pull.
func acceptConn(
	ctx context.Context, nc net.Conn, o *AcceptOptions, a *Acceptor,
) (c *Conn, err error) {
	shaken := make(chan struct{})
	go func() { // the caller's: it ends with the handshake
		defer close(shaken)
		if c, err = acceptBare(ctx, nc, o, a); err != nil {
			handshake.Cut(nc)
		}
	}()
	<-shaken
	return c, err
}

func acceptBare(
	ctx context.Context, nc net.Conn, o *AcceptOptions, a *Acceptor,
) (_ *Conn, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s, err := o.responder(a)
	if err != nil {
		return nil, err
	}
	s.starts(false)
	defer func() { s.failed(err, nc.RemoteAddr()) }()
	t, err := s.server.AcceptConn(ctx, nc, s)
	return s.open(t, err)
}

// A responder makes one handshake of a server and the Conn of it. It is the handshake's Owner.
type responder struct {
	*options
	server   handshake.Server
	acceptor *Acceptor // nil: none
	url      string    // that the client asks for; empty before its request has come
	conn     *Conn     // nil until the client was admitted
}

var _ handshake.Owner = (*responder)(nil)

func (o *AcceptOptions) responder(a *Acceptor) (*responder, error) {
	if o == nil {
		o = &AcceptOptions{}
	}
	opt, err := o.common().check(false)
	if err != nil {
		return nil, err
	}
	origins, err := handshake.ParseOrigins(o.Origins)
	if err != nil {
		return nil, err
	}
	return &responder{
		options: opt,
		server: handshake.Server{
			Subprotocols: opt.Subprotocols,
			Header:       opt.Header,
			Origins:      origins,
			Deflate:      opt.compression.config(),
			MaxHeader:    opt.MaxHandshakeSize,
			Timeout:      opt.HandshakeTimeout,
		},
		acceptor: a,
	}, nil
}

// Requested notes the URL that the client asks for.
func (s *responder) Requested(url string) { s.url = url }

// Admit makes the Conn, unless the Acceptor was shut.
func (s *responder) Admit() error {
	c := newConn(s.url, s.options)
	if s.acceptor != nil && !s.acceptor.take(c) {
		return errShutdown
	}
	s.conn = c
	return nil
}

// Answering lets a Close of the Conn call cut. It reports false if the Conn has already ended.
func (s *responder) Answering(cut func()) bool { return s.conn.abandonBy(cut) }

// open starts the engine on t, which clears the deadline of the handshake. err is the handshake's.
// If it is not nil, or the Conn was closed meanwhile, open returns the error of the Conn.
func (s *responder) open(t *handshake.Transport, err error) (*Conn, error) {
	c := s.conn
	err = handshakeError(err)
	switch {
	case c == nil:
		return nil, err
	case err == nil:
		agreed := newAgreement(&t.Agreed) // here, since c.open needs most of a handler's stack
		if !c.open(t, agreed, s.options) {
			err = errHandshakeClosed
		}
	}
	if err != nil {
		c.tryFail(err) // not fail, for which the responder logs
		return nil, c.failure()
	}
	if s.acceptor != nil {
		s.acceptor.opened(c)
	}
	return c, nil
}

// failed reports a failed handshake without a Conn to the observers, if err is not nil. remote is
// the address of the client, or nil.
func (s *responder) failed(err error, remote any) {
	if err == nil {
		return
	}
	what, status := "handshake failed", 0
	if e, ok := errors.AsType[*HandshakeError](err); ok && e.Status != 0 {
		what, status = "handshake refused", e.Status
		if s.Meter != nil {
			s.Meter.refused(status)
		}
	}
	if s.Logger != nil {
		s.Logger.LogAttrs(context.Background(), slog.LevelDebug, "wsstream: "+what,
			slog.Int("status", status), slog.Any("error", err),
			slog.String("url", s.url), slog.String("remote", fmt.Sprint(remote)))
	}
	s.shaken(nil, err)
}
