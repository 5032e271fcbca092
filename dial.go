package wsstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/wsstream/wsstream/internal/handshake"
)

// DialOptions say how Dial connects. Nil stands for the zero value, which is ready to use; Dial copies it. Of each
// number, 0 is the default, a negative one means that there is none (no bound, no timeout), any other is the value.
type DialOptions struct {
	// Subprotocols are offered to the server in this order of preference. Each is a token, or what
	// else a server expects ("ZWS2.0/NULL"): visible ASCII characters without commas and quotes. None
	// stands twice. If there are any and the server chooses none of them, the handshake fails.
	Subprotocols []string

	// SubprotocolOptional lets the handshake succeed where the server chooses no subprotocol.
	// Opened.Protocol is empty then. It is for servers that never name one in their answer. A
	// subprotocol that was not offered fails the handshake all the same.
	SubprotocolOptional bool

	// Header is sent with the request. Fields that belong to the handshake are refused.
	Header http.Header

	// Host is the request's Host where it is not the URL's "host:port". Where to connect to and the name in the
	// certificate remain the URL's.
	Host string

	// Jar gives cookies to send beside those in Header, and takes those of the server's response, a refusal's too; a
	// proxy's it never sees. It is asked for the URL with the scheme http or https, and Host where that is set.
	Jar http.CookieJar

	// TLSConfig is for wss, and for proxies that are reached by https. Nil verifies the certificate against the
	// system's roots and the URL's host. ALPN offers http/1.1 if NextProtos is empty, and never h2. Sessions are resumed if
	// there is a ClientSessionCache; it is shared by all Dials that are given it.
	TLSConfig *tls.Config

	// Proxy returns the proxy for a request, or nil for none. The request has the URL with the scheme http for ws and
	// https for wss. Nil is http.ProxyFromEnvironment, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY; **but where NetDial is
	// set nil is no proxy**.
	//
	// The proxy's scheme is http or https, for one that is asked with CONNECT, under ws too, or socks5 or socks5h, which
	// are the same: the proxy resolves the name. User and password in its URL are sent to it. That it refuses is a
	// *ProxyError in the *HandshakeError.
	Proxy func(*http.Request) (*url.URL, error)

	// NetDial makes the connection to addr, "host:port" as the URL or the proxy's has it, its name not resolved; nil is
	// a net.Dialer's DialContext, which tries all addresses of a name and races IPv6 against IPv4. It is where a unix
	// socket or a resolver of one's own goes. Read deadlines must work on what it returns: a Pull is ended by one. A
	// proxy's tunnel and TLS come on top.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

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

	// MaxHandshakeSize is how many bytes of the response's header are read, and of a proxy's, with those of 1xx before
	// it. Default 64 KiB; negative: no bound, and a server can fill the memory. A header may have 256 lines.
	MaxHandshakeSize int

	// HandshakeTimeout bounds all of Dial's work: name resolution, proxy, TLS and the handshake. Default 10 s; negative:
	// none.
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
	// Conn's, or, for what came with the handshake, the goroutine that made it. Nothing is read meanwhile, so they must
	// not wait: of the Conn's methods, they may call TryWrite, Close, CloseNow, and those that only tell. Default none.
	OnPing, OnPong func(payload []byte)

	// Logger gets a record at debug level when the connection opens and when it ends. Nil is silent.
	Logger *slog.Logger

	// Trace holds hooks that are called as things happen. Nil has none, and costs nothing.
	Trace *Trace

	// Meter counts this connection among others. Nil for none.
	Meter *Meter
}

// common returns the options that DialOptions shares with AcceptOptions.
func (o *DialOptions) common() common {
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

// Dial connects to a WebSocket server and returns at once, as new WebSocketStream(url) does: the Conn's Opened tells
// when the handshake is done, and a Pull or Write waits for it by itself.
//
// url is absolute, its scheme ws, wss, http or https, the latter two standing for the former; it has no fragment.
// Its user and password are sent as basic credentials. A bad URL or option is the error of both futures; nothing is
// dialled then. As in browsers, a name that is not in ASCII stands for its A-labels, and spaces and what is not in ASCII
// are escaped. Errors show nothing of a URL that stands before an @, however it was meant.
// A path and a query are shown.
//
// ctx governs the handshake only: when it ends before the handshake is done, the attempt is dropped and both futures
// settle with context.Cause(ctx). **A deferred cancel that runs before the handshake is done kills it**: who returns
// a connected Conn waits for Opened first. After opening ctx does nothing.
// RFC 6455, section 4.1.
func Dial(ctx context.Context, url string, o *DialOptions) *Conn {
	if o == nil {
		o = &DialOptions{}
	}
	opt, err := o.common().check(true)
	var host string
	if err == nil {
		host, err = handshake.CheckHost(o.Host)
	}
	u, user, urlErr := handshake.ParseURL(url)
	if urlErr == nil {
		url = u.String()
	} else {
		err, url = urlErr, handshake.Redact(url)
	}
	c := newConn(url, opt)
	c.client = true
	switch {
	case err != nil:
		c.fail(err)
	case ctx.Err() != nil:
		c.fail(context.Cause(ctx))
	default:
		h := o.handshake(opt, u, cmp.Or(host, u.Host))
		if user != nil {
			h.SetCredentials(user)
		}
		ctx, cancel := context.WithCancel(ctx)
		c.abandon = cancel
		opt.starts(true)
		go c.dial(ctx, cancel, h, opt) // the Conn's own: it ends with the handshake, which ctx and HandshakeTimeout bound
	}
	return c
}

func (o *DialOptions) handshake(opt *options, u *url.URL, host string) *handshake.Client {
	return &handshake.Client{
		URL:                 u,
		Host:                host,
		Header:              opt.Header,
		Deflate:             opt.compression.config(),
		MaxHeader:           opt.MaxHandshakeSize,
		Subprotocols:        opt.Subprotocols,
		SubprotocolOptional: o.SubprotocolOptional,
		Jar:                 o.Jar,
		TLS:                 o.TLSConfig.Clone(),
		Proxy:               o.Proxy,
		NetDial:             o.NetDial,
	}
}

// dial makes the handshake, and opens c or fails it.
func (c *Conn) dial(parent context.Context, done context.CancelFunc, h *handshake.Client, o *options) {
	defer done() // lets go of the caller's context
	ctx, cancel := parent, context.CancelFunc(func() {})
	if o.HandshakeTimeout > 0 {
		ctx, cancel = context.WithTimeoutCause(parent, o.HandshakeTimeout, handshake.ErrTimeout)
	}
	defer cancel()
	t, err := h.Dial(ctx)
	err = handshakeError(err)
	switch {
	case parent.Err() != nil:
		err = context.Cause(parent)
	case err == nil && c.open(t, o):
		return
	case ctx.Err() != nil && !answered(err):
		err = &HandshakeError{Err: context.Cause(ctx)}
	}
	if t.Conn != nil {
		handshake.Cut(t.Conn)
	}
	c.fail(err)
	o.shaken(c, c.failure()) // what came first
}

// answered reports whether err is a response of the server's or a proxy's. That says more than that its
// body came too late.
func answered(err error) bool {
	if e, ok := errors.AsType[*ProxyError](err); ok && e.Status != 0 {
		return true
	}
	e, ok := errors.AsType[*HandshakeError](err)
	return ok && e.Status != 0
}
