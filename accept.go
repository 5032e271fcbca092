package wsstream

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/wsstream/wsstream/internal/handshake"
)

// AcceptOptions say how Accept and AcceptConn answer. Nil stands for the zero value, which is ready to use; it is
// copied. Of each number, 0 is the default, a negative one means that there is none (no bound, no timeout), any
// other is the value.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks. The first that the client names and that is one of them is
	// chosen, by case; if there is none the connection has no subprotocol. What else the client names, lawful or not,
	// is passed over. Each is a token, and stands once.
	Subprotocols []string

	// Header is sent with the response, a refusal aside. Fields that belong to the handshake are refused. Accept sends
	// what stands in the ResponseWriter's header before it.
	Header http.Header

	// Origins are patterns of origins, beside the server's own, whose pages may connect. A pattern is matched as
	// path.Match does, without case, against the origin's host with its port, "*.example.org" or "localhost:*", or
	// against all of it where the pattern has a scheme, "https://example.org". Brackets around an IPv6 address stand for
	// themselves, "[::1]:3000". Browsers leave out the default port of a scheme: a pattern that names it matches all the
	// same, "https://example.org:443", and "localhost:*" matches the other ports. **"*" lets the pages of every site
	// connect with their users' cookies.** The server's own is the origin whose host is that of the request, whatever
	// the scheme. A request without Origin comes from no browser, and is let in.
	Origins []string

	// ReadWindow is how many bytes of input, as they are on the wire, are held for a reader who does not pull.
	// Default 64 KiB, at least 256; negative: no bound, and a peer can fill the memory.
	ReadWindow int

	// WriteWindow is how many encoded bytes may be unsent before a Write waits, beside the one message that is being
	// written. Default 64 KiB, at least 256; negative: no bound, and a slow peer can make us fill the memory.
	WriteWindow int

	// MaxMessageSize is the largest payload, in bytes, that a Pull assembles: a larger message fails the connection
	// with 1009. NextMessage needs no such bound. Default 1 MiB; negative: no bound, and a peer can fill the memory.
	MaxMessageSize int

	// MaxFrameSize is the largest payload, in bytes, of the frames that we send: longer messages are sent in several,
	// between which a pong can pass. Default 64 KiB; negative: one frame a message.
	MaxFrameSize int

	// MaxHandshakeSize is how many bytes of a bare connection's request are read for its header; a client that sends
	// more gets 431, as for more than 256 lines. What was accepted is held as long as the Conn, for Opened. Default
	// 64 KiB; negative: no bound but that of the lines, and a client can fill the memory. It is not for Accept, whose
	// requests http.Server.MaxHeaderBytes bounds.
	MaxHandshakeSize int

	// HandshakeTimeout bounds the reading of a bare connection's request, and the writing of the response. A client that
	// takes longer for its request gets 408, and has a second to take that. Default 10 s; negative: none, and a client can
	// hold a goroutine. Accept's requests have been read before: http.Server.ReadHeaderTimeout bounds that.
	HandshakeTimeout time.Duration

	// CloseTimeout bounds everything between the decision to close and the peer's Close frame, the sending of what was
	// accepted included; then the connection is cut. Default 5 s; negative: none, and a dead peer can hold the Conn.
	CloseTimeout time.Duration

	// Compression asks for permessage-deflate. Nil: none.
	Compression *CompressionOptions

	// PingInterval is how long one direction must have been silent for the peer to be pinged. No goroutine and no timer
	// of their own stand behind it, and nobody has to read for the answers' sake. While nobody pulls and ReadWindow is
	// full, it waits. Default none, as for a negative one: the kernel notices lost hosts by TCP's own keepalive, which
	// Go turns on. Set it, to 20 s or so, for what that does not see: a process that hangs, and proxies that cut
	// connections which are silent.
	PingInterval time.Duration

	// PongTimeout is how long a peer that was pinged may then stay silent before the connection fails, with 1008 on the
	// wire; any byte of the peer's is a sign of life. It begins when the kernel has taken the ping. A peer that answers no
	// pings because its own reader is stalled counts as silent. Default 20 s; negative: none, and pings only keep others
	// from cutting the connection.
	PongTimeout time.Duration

	// IdleTimeout is how long no byte of a message must have come or gone, pings and pongs aside, for the connection to
	// be closed with 1001. While something is unread or unsent it is in use, however slow its reader. Default none, as for
	// a negative one.
	IdleTimeout time.Duration

	// WriteStallTimeout is how long a peer may take nothing while something waits to be sent, before the connection fails,
	// with 1008 on the wire; a Write that waits fails at most CloseTimeout later. It counts progress, not time: over TCP on
	// Linux every byte that the peer's kernel acknowledges puts it off (and a stall may last a quarter longer), elsewhere
	// every 4 KiB that our kernel takes. A kernel whose buffer is full acknowledges in steps, of 64 KiB over loopback: a
	// peer that reads less than that within the timeout counts as stalled. So set 30 s or more. Default none, as for a
	// negative one: a peer that reads nothing holds what the windows hold.
	WriteStallTimeout time.Duration

	// ReadStallTimeout is how long ReadWindow may be full with nothing pulled from it, before the
	// connection fails, with 1008 on the wire. While it is full nothing is read, so a lost peer is
	// not noticed by reading. Every byte pulled puts it off. Default none, as for a negative one.
	// On sockets, also under TLS, it is not needed for a peer that is gone: where PingInterval,
	// IdleTimeout or WriteStallTimeout is set, the kernel is asked for an error once nothing was
	// pulled for as long as the smallest of PongTimeout and these two.
	ReadStallTimeout time.Duration

	// OnPing and OnPong are called with the payload of each ping and pong of the peer's, the answers to our own pings
	// included, which are 8 bytes; a ping's own answer is on its way by then. Payload is valid during the call only.
	// They are called one at a time and in order, by whoever reads: a goroutine inside Pull, a background reader of the
	// Conn's, or, for what came with the handshake, Accept before it has returned. Nothing is read meanwhile, so they
	// must not wait: of the Conn's methods, they may call TryWrite, Close, CloseNow, and those that only tell. Default
	// none.
	OnPing, OnPong func(payload []byte)

	// Logger gets a record at debug level when a handshake is refused or fails, and when a connection opens and ends. Nil
	// is silent.
	Logger *slog.Logger

	// Trace holds hooks that are called as things happen. Nil has none, and costs nothing.
	Trace *Trace

	// Meter counts this connection among others, or that it was refused. Nil for none.
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

// Accept makes the server's side of the handshake in an HTTP handler, over HTTP/1.1, and returns an open Conn. If it
// returns an error the request has been answered: a *HandshakeError tells with which status. (Bad options are answered
// with 500, and are a plain error: see AcceptOptions.Check.) The Conn outlives the
// handler and the request's context: end it with Shutdown, and a deferred CloseNow as the last resort.
//
// w must let itself be hijacked, or unwrap to one that does, as http.ResponseController finds it. The fields that stand in
// w's header are sent with the response, as those of middleware: cookies, say. Those of the handshake and those that hold
// for one hop are not; nor is what middleware adds when WriteHeader is called, since Accept does not call it.
// RFC 6455, section 4.2.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	return accept(w, r, o, nil)
}

func accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions, a *Acceptor) (_ *Conn, err error) {
	s, err := o.responder(a)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
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

// AcceptConn makes the server's side of the handshake on a bare connection, TLS or not, and returns an open Conn;
// Opened holds the request's header, and URL its address. It owns nc, also when it fails: an error says that the
// connection was refused, as a *HandshakeError where it could be answered, and closed. A client that was refused has a
// second to read why and to close, for which AcceptConn waits. When ctx ends before the handshake is done that is the
// error. The handshake is made on a goroutine of its own, on which the hooks of Trace, OnPing
// and OnPong run that belong to it.
// RFC 6455, section 4.2.
func AcceptConn(ctx context.Context, nc net.Conn, o *AcceptOptions) (*Conn, error) {
	return acceptConn(ctx, nc, o, nil)
}

// acceptConn has the handshake made by a goroutine that ends with it: the caller's own would keep the stack that the
// handshake takes, four times what a Pull takes that waits.
func acceptConn(ctx context.Context, nc net.Conn, o *AcceptOptions, a *Acceptor) (c *Conn, err error) {
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

func acceptBare(ctx context.Context, nc net.Conn, o *AcceptOptions, a *Acceptor) (_ *Conn, err error) {
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

// Answering has cut end the handshake, and reports false if the Conn has ended before.
func (s *responder) Answering(cut func()) bool { return s.conn.abandonBy(cut) }

// open starts the engine on t, which clears the deadline of the handshake. If err says that the handshake
// failed, or the Conn was closed meanwhile, it returns the error of the Conn, if there is one.
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
