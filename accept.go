package wsstream

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/wsstream/wsstream/internal/handshake"
)

// AcceptOptions are the options of [Accept], [AcceptConn] and [Handler], which copy them. Nil
// stands for the zero value, which is ready to use. The page docs/options.md lists all options with
// their defaults.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks. The first in the client's list that is one of
	// them is chosen; case counts. If there is none, the connection has no subprotocol. Other names
	// in the client's list are ignored, valid or not. Each subprotocol is a token, and stands once.
	// If empty, none is chosen.
	Subprotocols []string

	// Header is sent with the response, but not with one that refuses. Fields that belong to the
	// handshake are an error. Accept also sends the fields in the ResponseWriter's header.
	// If nil, nothing is added.
	Header http.Header

	// Origins are patterns of origins whose pages may connect. The server's own origin always may:
	// the origin whose host is that of the request, whatever the scheme. Requests without an Origin
	// header are accepted; browsers always send one. Beware: "*" lets the pages of every site
	// connect with the cookies of their users.
	//
	// A pattern is matched as path.Match does, without case, against the origin's host and port:
	// "*.example.org", "localhost:*". A pattern with a scheme is matched against the whole origin:
	// "https://example.org". The brackets of an IPv6 address stand for themselves: "[::1]:3000".
	// Browsers leave out the default port of a scheme. A pattern that names it still matches,
	// "https://example.org:443". "localhost:*" matches the other ports.
	// If empty, the server's own origin only.
	Origins []string

	// ReadWindow limits the input that is buffered until a call pulls it, in bytes on the wire.
	// Behind a full window the socket is not read. The minimum is 256 bytes.
	// If zero, 64 KiB.
	// If negative, no limit: a peer can fill the memory.
	ReadWindow int

	// WriteWindow limits the output that is buffered until the kernel takes it, in bytes on the
	// wire, beside the one message that is being written. Behind a full window Write blocks. The
	// minimum is 256 bytes.
	// If zero, 64 KiB.
	// If negative, no limit: a slow peer can make us fill the memory.
	WriteWindow int

	// MaxMessageSize limits the payload of a message that a Pull assembles, in bytes. A larger
	// message fails the connection with 1009. NextMessage needs no limit.
	// If zero, 1 MiB.
	// If negative, no limit: a peer can fill the memory.
	MaxMessageSize int

	// MaxFrameSize limits the payload of a frame that we send, in bytes. A longer message is sent
	// in several frames. A pong can pass between two frames.
	// If zero, 64 KiB.
	// If negative, no limit: one frame a message.
	MaxFrameSize int

	// MaxHandshakeSize limits the header of a request on a bare connection, in bytes. A client that
	// sends more gets 431, as it does for more than 256 lines. The Conn keeps the header, for
	// Opened. It is for AcceptConn only: http.Server.MaxHeaderBytes limits the requests of Accept.
	// If zero, 64 KiB.
	// If negative, no limit but that of the lines: a client can fill the memory.
	MaxHandshakeSize int

	// HandshakeTimeout limits the reading of a request on a bare connection, and the writing of the
	// response. A client whose request takes longer gets 408, and has a second to read that. The
	// requests of Accept were read before: http.Server.ReadHeaderTimeout limits that.
	// If zero, 10 seconds.
	// If negative, no limit: a client can keep a goroutine.
	HandshakeTimeout time.Duration

	// CloseTimeout limits the time from the decision to close to the peer's Close frame. That
	// includes sending what was accepted. Beyond it the connection is cut.
	// If zero, 5 seconds.
	// If negative, no limit: a dead peer can keep the Conn.
	CloseTimeout time.Duration

	// Compression asks for permessage-deflate.
	// If nil, no compression.
	Compression *CompressionOptions

	// PingInterval is the silence in one direction after which the peer is pinged. While ReadWindow
	// is full and no call pulls, no ping is sent. It needs no goroutine and no timer of its own,
	// and no call has to pull for the answers.
	//
	// Without it the kernel notices lost hosts by TCP's own keepalive, which Go turns on. Set it,
	// to 20 seconds or so, for what the kernel does not see: a process that hangs, and proxies that
	// cut silent connections.
	// If zero or negative, no pings.
	PingInterval time.Duration

	// PongTimeout limits the silence of a peer that was pinged. It starts when the kernel has taken
	// the ping. Any byte from the peer ends it. Beyond it the connection fails, with 1008 on the
	// wire. A peer whose own reader is stalled answers no pings, and counts as silent.
	// If zero, 20 seconds.
	// If negative, no limit: pings only keep proxies from cutting the connection.
	PongTimeout time.Duration

	// IdleTimeout limits the time without a byte of a message, in either direction. Pings and pongs
	// do not count. Beyond it the connection is closed with 1001. While input is unread or output
	// is unsent, the connection is in use, however slow its reader is.
	// If zero or negative, no limit.
	IdleTimeout time.Duration

	// WriteStallTimeout limits the time in which the peer takes none of the output that waits for
	// it. Beyond it the connection fails, with 1008 on the wire. A blocked Write fails at most
	// CloseTimeout later.
	//
	// Progress starts the time anew. On TCP on Linux every byte that the peer's kernel acknowledges
	// is progress, and a stall may last a quarter longer. Elsewhere it is every 4 KiB that our
	// kernel takes. A kernel whose buffer is full acknowledges in steps, of 64 KiB over loopback. A
	// peer that reads less than a step within the timeout counts as stalled. So set 30 seconds or
	// more.
	// If zero or negative, no limit: a peer that reads nothing keeps what the windows buffer.
	WriteStallTimeout time.Duration

	// ReadStallTimeout limits the time in which ReadWindow is full and no byte is pulled from it.
	// Beyond it the connection fails, with 1008 on the wire. While ReadWindow is full, the socket
	// is not read, so reading does not notice a lost peer.
	//
	// On sockets, also under TLS, a lost peer needs no ReadStallTimeout where PingInterval,
	// IdleTimeout or WriteStallTimeout is set. Then the kernel is asked for an error once no byte
	// was pulled for the smallest of PongTimeout, IdleTimeout and WriteStallTimeout.
	// If zero or negative, no limit.
	ReadStallTimeout time.Duration

	// OnPing and OnPong are called with the payload of each ping and pong from the peer. The
	// answers to our own pings are among them; their payload is 8 bytes. When OnPing is called, the
	// answer to the ping is on its way. payload is valid during the call only.
	//
	// The calls come one at a time and in order, on the goroutine that reads. That is a goroutine
	// inside Pull, the Conn's background reader, or, for frames that came with the handshake, the
	// goroutine that makes it. Nothing is read meanwhile, so they must not block. Of the Conn's
	// methods they may call TryWrite, Close, CloseNow, and those that only report.
	// If nil, not called.
	OnPing, OnPong func(payload []byte)

	// Logger gets records at debug level: when a handshake fails, and when a connection opens and
	// when it ends.
	// If nil, silent.
	Logger *slog.Logger

	// Trace has hooks that are called as things happen. See [Trace].
	// If nil, none.
	Trace *Trace

	// Meter counts this connection among others, and the handshakes that a server refuses.
	// If nil, none.
	Meter *Meter
}

// common returns the options that AcceptOptions shares with DialOptions.
func (o *AcceptOptions) common() common {
	return common{
		Subprotocols:      o.Subprotocols,
		Header:            o.Header,
		ReadWindow:        o.ReadWindow,
		WriteWindow:       o.WriteWindow,
		MaxMessageSize:    o.MaxMessageSize,
		MaxFrameSize:      o.MaxFrameSize,
		MaxHandshakeSize:  o.MaxHandshakeSize,
		HandshakeTimeout:  o.HandshakeTimeout,
		CloseTimeout:      o.CloseTimeout,
		Compression:       o.Compression,
		PingInterval:      o.PingInterval,
		PongTimeout:       o.PongTimeout,
		IdleTimeout:       o.IdleTimeout,
		WriteStallTimeout: o.WriteStallTimeout,
		ReadStallTimeout:  o.ReadStallTimeout,
		OnPing:            o.OnPing,
		OnPong:            o.OnPong,
		Logger:            o.Logger,
		Trace:             o.Trace,
		Meter:             o.Meter,
	}
}

// Accept makes the server's side of the handshake in an HTTP handler, over HTTP/1.1. It returns an
// open Conn. The Conn outlives the handler and the context of the request: end it with Shutdown,
// and with a deferred CloseNow as the last resort.
//
// If Accept returns an error, the request was answered: a *HandshakeError has the status. Bad
// options are answered with 500, and are a plain error: see [AcceptOptions.Check].
//
// w must be an http.Hijacker, or unwrap to one, as http.ResponseController finds it. The fields in
// w's header are sent with the response, for example cookies that a middleware has set. Those of
// the handshake, and those that concern one hop only, are not sent. Accept does not call
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
	if err != nil && t.Conn != nil {
		_ = t.Conn.Close()
	}
	return c, err
}

// AcceptConn makes the server's side of the handshake on a bare connection, TLS or not. It returns
// an open Conn, whose Opened has the request's header, and whose URL is the address that was asked
// for.
//
// AcceptConn owns nc. If it returns an error, nc is closed. The error is a *HandshakeError where
// the client could be answered. A client that was refused has a second to read why and to close,
// for which AcceptConn waits. If ctx ends before the handshake is done, the error is
// context.Cause(ctx).
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
func (s *responder) open(t handshake.Transport, err error) (*Conn, error) {
	c := s.conn
	err = handshakeError(err)
	switch {
	case c == nil:
		return nil, err
	case err == nil && !c.open(t, s.options):
		err = errHandshakeClosed
	}
	if err != nil {
		if _, failed := c.tryFail(err); failed { // not fail, for which the responder logs
			c.gone(&outcome{err: err, end: err})
		}
		return nil, c.failure()
	}
	if s.acceptor != nil {
		s.acceptor.opened(c)
	}
	return c, nil
}
