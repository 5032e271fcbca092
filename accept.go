package wsstream

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream/internal/wire"
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
	s, err := o.responder()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}
	s.starts(false)
	defer func() { s.failed(err, r.RemoteAddr) }()
	c, agreed, no := s.admit(r, r.TLS != nil, a)
	if no != nil {
		return nil, refuse(w, no)
	}
	agreed.extra = passedOn(w.Header())
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("the ResponseWriter cannot be hijacked: %s: %w", hijacked(w), err)
		err = refuse(w, &refusal{http.StatusInternalServerError, nil, err})
		return nil, s.open(c, transport{}, err)
	}
	_ = nc.SetDeadline(deadline(s.handshakeTimeout)) // and clears what the HTTP server left
	t, err := s.answer(c, nc, r, agreed, buffered(rw.Reader))
	if err := s.open(c, t, err); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
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
			cut(nc)
		}
	}()
	<-shaken
	return c, err
}

func acceptBare(ctx context.Context, nc net.Conn, o *AcceptOptions, a *Acceptor) (_ *Conn, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s, err := o.responder()
	if err != nil {
		return nil, err
	}
	s.starts(false)
	defer func() { s.failed(err, nc.RemoteAddr()) }()
	timed, cancel := ctx, context.CancelFunc(func() {})
	if s.handshakeTimeout > 0 {
		timed, cancel = context.WithTimeoutCause(ctx, s.handshakeTimeout, &HandshakeError{Err: errHandshakeTimeout})
	}
	defer cancel()
	var c *Conn
	var t transport
	var no *refusal
	late := !uninterrupted(timed, nc, func() { c, t, no, err = s.shake(nc, a) })
	switch {
	case late && c != nil:
		err = context.Cause(timed) // also where all was done: the deadline stands on nc
	case late && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case late && no == nil:
		no = &refusal{http.StatusRequestTimeout, nil, errHandshakeTimeout}
	}
	switch {
	case no != nil:
		return nil, dismiss(ctx, timed, nc, no)
	case c == nil:
		return nil, &HandshakeError{Err: err}
	}
	if err := s.open(c, t, err); err != nil {
		return nil, err
	}
	return c, nil
}

// uninterrupted runs f, which waits for nc and for nothing else. If ctx ends meanwhile the deadline of nc passes, and it
// reports false.
func uninterrupted(ctx context.Context, nc net.Conn, f func()) bool {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = nc.SetDeadline(time.Unix(1, 0))
	})
	f()
	if stop() {
		return true
	}
	<-interrupted // or it would pass a deadline that is set later
	return false
}

// shake makes the opening handshake on nc. It returns a Conn once the client's request was admitted, and else what to
// answer, or the error of a transport on which nothing can be answered.
func (s *responder) shake(nc net.Conn, a *Acceptor) (*Conn, transport, *refusal, error) {
	r, buffered, no, err := readRequest(nc, s.maxHandshake)
	if no != nil || err != nil {
		return nil, transport{}, no, err
	}
	_, secure := nc.(*tls.Conn)
	c, agreed, no := s.admit(r, secure, a)
	if no != nil {
		return nil, transport{}, no, nil
	}
	t, err := s.answer(c, nc, r, agreed, buffered)
	return c, t, nil, err
}

// A responder answers handshakes as its options say.
type responder struct {
	*options
	origins []originPattern
	url     string // of the request that is answered, empty before it has come
}

func (o *AcceptOptions) responder() (*responder, error) {
	if o == nil {
		o = &AcceptOptions{}
	}
	opt, err := options{
		subprotocols:     o.Subprotocols,
		header:           o.Header,
		readWindow:       o.ReadWindow,
		writeWindow:      o.WriteWindow,
		maxMessage:       o.MaxMessageSize,
		maxFrame:         o.MaxFrameSize,
		maxHandshake:     o.MaxHandshakeSize,
		handshakeTimeout: o.HandshakeTimeout,
		closeTimeout:     o.CloseTimeout,
		keepalive: keepalive{
			o.PingInterval, o.PongTimeout, o.IdleTimeout, o.WriteStallTimeout, o.ReadStallTimeout,
			o.OnPing, o.OnPong,
		},
		logger: o.Logger,
		trace:  o.Trace,
		meter:  o.Meter,
	}.check()
	var origins []originPattern
	if err == nil {
		origins, err = parseOrigins(o.Origins)
	}
	if err == nil {
		opt.compression, err = o.Compression.check(DefaultWindowBits)
	}
	return &responder{options: opt, origins: origins}, err
}

// A choice is what the server chose of what the client offered.
type choice struct {
	agreement
	deflate *wire.Deflate
	extra   http.Header // fields of the response that stand on the ResponseWriter
}

// admit checks a client's request, chooses from what it offers, and returns a Conn that a, if there is one, has taken.
func (s *responder) admit(r *http.Request, secure bool, a *Acceptor) (c *Conn, agreed choice, no *refusal) {
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	s.url = scheme + "://" + r.Host + r.URL.RequestURI()
	if no = s.check(r); no != nil {
		return nil, agreed, no
	}
	agreed.protocol = s.subprotocol(r.Header)
	var err error
	if agreed.deflate, agreed.extensions, err = s.compression.answer(r.Header); err != nil {
		return nil, agreed, &refusal{http.StatusBadRequest, nil, err}
	}
	agreed.header = flatten(r.Header)
	c = newConn(s.url, s.options)
	if a != nil && !a.take(c) {
		return nil, agreed, &refusal{http.StatusServiceUnavailable, nil, errShutdown}
	}
	return c, agreed, nil
}

// check checks a client's request.
func (s *responder) check(r *http.Request) *refusal {
	if no := checkRequest(r); no != nil {
		return no
	}
	if err := s.checkOrigin(r); err != nil {
		return &refusal{http.StatusForbidden, nil, err}
	}
	return nil
}

// subprotocol chooses the first that the client offers and the server speaks. What is no subprotocol, or stands twice, is
// passed over.
func (s *responder) subprotocol(h http.Header) string {
	for _, p := range tokens(h.Values("Sec-WebSocket-Protocol")) {
		if i := slices.Index(s.subprotocols, p); i >= 0 {
			return s.subprotocols[i] // p would hold all that was offered
		}
	}
	return ""
}

// checkRequest checks what a client's request must have (RFC 6455, section 4.2.1).
func checkRequest(r *http.Request) *refusal {
	h := r.Header
	for _, once := range []string{"Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin"} {
		if n := len(h.Values(once)); n > 1 {
			return refused(http.StatusBadRequest, "%s stands %d times", once, n)
		}
	}
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refused(http.StatusHTTPVersionNotSupported, "the request is %s; WebSocket is served over HTTP/1.1 only", r.Proto)
	case r.Method != http.MethodGet:
		return refused(http.StatusMethodNotAllowed, "the method is %s, not GET", r.Method).with("Allow", http.MethodGet)
	case !hasToken(h, "Connection", "Upgrade"):
		return upgradeRequired("Connection is %q, not Upgrade", h.Get("Connection"))
	case !hasToken(h, "Upgrade", "websocket"):
		return upgradeRequired("Upgrade is %q, not websocket", h.Get("Upgrade"))
	case h.Get("Sec-WebSocket-Version") != "13":
		return upgradeRequired("Sec-WebSocket-Version is %q, not 13", h.Get("Sec-WebSocket-Version")).with("Sec-WebSocket-Version", "13")
	case r.Host == "":
		return refused(http.StatusBadRequest, "Host is missing")
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return refused(http.StatusBadRequest, "the request has a body")
	}
	key := h.Get("Sec-WebSocket-Key")
	if nonce, err := base64.StdEncoding.DecodeString(key); err != nil || len(nonce) != 16 {
		return refused(http.StatusBadRequest, "Sec-WebSocket-Key %q is not 16 bytes of base64", key)
	}
	return nil
}

// answer answers with 101.
func (s *responder) answer(c *Conn, nc net.Conn, r *http.Request, agreed choice, buffered []byte) (transport, error) {
	if !c.abandonBy(func() { cut(nc) }) {
		return transport{}, errHandshakeClosed
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	fmt.Fprintf(&b, "Sec-WebSocket-Accept: %s\r\n", acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	if agreed.protocol != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", agreed.protocol)
	}
	if agreed.extensions != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", agreed.extensions)
	}
	_ = agreed.extra.Write(&b) // a Builder takes what it is given
	_ = s.header.Write(&b)
	b.WriteString("\r\n")
	if _, err := nc.Write([]byte(b.String())); err != nil {
		return transport{}, &HandshakeError{Err: err}
	}
	return transport{
		nc:       nc,
		buffered: buffered,
		deflate:  agreed.deflate,
		agreed:   agreed.agreement,
	}, nil
}

// open starts the engine of c on t, which clears the deadline of the handshake. If err says that the handshake failed, or
// c was closed meanwhile, it returns what c has failed with.
func (s *responder) open(c *Conn, t transport, err error) error {
	if err == nil && !c.open(t, s.options) {
		err = errHandshakeClosed
	}
	if err != nil {
		if _, failed := c.tryFail(err); failed { // not fail, for which the responder logs
			c.gone(&outcome{err: err, end: err})
		}
		return c.failure()
	}
	if c.acceptor != nil {
		c.acceptor.opened(c)
	}
	return nil
}

func deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}
