package wsstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream/internal/deflate"
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
	opt, err := options{
		subprotocols:     o.Subprotocols,
		offers:           true,
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
	var host string
	if err == nil {
		host, err = checkHost(o.Host)
	}
	if err == nil {
		opt.compression, err = o.Compression.check(deflate.MaxBits)
	}
	u, user, urlErr := parseURL(url)
	if urlErr == nil {
		url = u.String()
	} else {
		err, url = urlErr, clean(url)
	}
	c := newConn(url, opt)
	c.client = true
	switch {
	case err != nil:
		c.fail(err)
	case ctx.Err() != nil:
		c.fail(context.Cause(ctx))
	default:
		d := o.dialer(opt, u, cmp.Or(host, u.Host))
		if user != nil {
			d.setCredentials(user)
		}
		ctx, cancel := context.WithCancel(ctx)
		c.abandon = cancel
		opt.starts(true)
		go d.run(ctx, cancel, c) // the Conn's own: it ends with the handshake, which ctx and HandshakeTimeout bound
	}
	return c
}

// A dialer is one attempt to connect.
type dialer struct {
	*options
	url      *url.URL
	host     string                                // of the request
	optional bool                                  // the server need not choose a subprotocol
	jar      http.CookieJar                        // nil: none
	tls      *tls.Config                           // nil: the defaults
	proxy    func(*http.Request) (*url.URL, error) // nil: none
	netDial  func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (o *DialOptions) dialer(opt *options, u *url.URL, host string) *dialer {
	d := &dialer{
		options:  opt,
		url:      u,
		host:     host,
		optional: o.SubprotocolOptional,
		jar:      o.Jar,
		tls:      o.TLSConfig.Clone(),
		proxy:    o.Proxy,
		netDial:  o.NetDial,
	}
	if d.netDial == nil {
		d.netDial = new(net.Dialer).DialContext
		if d.proxy == nil {
			d.proxy = http.ProxyFromEnvironment
		}
	}
	d.netDial = orError(d.netDial)
	return d
}

func (d *dialer) setCredentials(user *url.Userinfo) {
	if d.header.Get("Authorization") != "" {
		return // the caller's own word counts
	}
	if d.header == nil {
		d.header = http.Header{}
	}
	d.header.Set("Authorization", basic(user))
}

// basic returns user's credentials as Authorization writes them (RFC 7617, section 2).
func basic(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

var errHandshakeTimeout = errors.New("not done within HandshakeTimeout")

// run connects, and opens c or fails it.
func (d *dialer) run(parent context.Context, done context.CancelFunc, c *Conn) {
	defer done() // lets go of the caller's context
	ctx, cancel := parent, context.CancelFunc(func() {})
	if d.handshakeTimeout > 0 {
		ctx, cancel = context.WithTimeoutCause(parent, d.handshakeTimeout, errHandshakeTimeout)
	}
	defer cancel()
	t, err := d.connect(ctx)
	switch {
	case parent.Err() != nil:
		err = context.Cause(parent)
	case err == nil && c.open(t, d.options):
		return
	case ctx.Err() != nil && !answered(err):
		err = &HandshakeError{Err: context.Cause(ctx)}
	}
	if t.nc != nil {
		cut(t.nc)
	}
	c.fail(err)
	d.shaken(c, c.failure()) // what came first
}

// answered reports whether err is a response of the server's or a proxy's, which says more than that its body came too
// late.
func answered(err error) bool {
	if e, ok := errors.AsType[*ProxyError](err); ok && e.Status != 0 {
		return true
	}
	e, ok := errors.AsType[*HandshakeError](err)
	return ok && e.Status != 0
}

// connect makes the transport and the handshake on it. When ctx ends it fails.
func (d *dialer) connect(ctx context.Context) (transport, error) {
	nc, err := d.dial(ctx)
	if err != nil {
		return transport{}, &HandshakeError{Err: err}
	}
	t := transport{nc: nc}
	return t, until(ctx, nc, func() error { return d.shake(&t) })
}

// until runs f, which waits for nc and for nothing else, until ctx ends.
func until(ctx context.Context, nc net.Conn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() && err == nil {
		err = context.Cause(ctx) // the deadline may stand on the transport
	}
	return err
}

// dial makes the transport.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	nc, err := d.reach(ctx, hostPort(d.url))
	if err != nil || d.url.Scheme == "ws" {
		return nc, err
	}
	config := d.tlsConfig()
	config.ServerName = cmp.Or(config.ServerName, d.url.Hostname())
	return secure(ctx, nc, config)
}

// tlsConfig returns a configuration for a handshake over HTTP/1.1. The server must not choose another protocol.
func (d *dialer) tlsConfig() *tls.Config {
	config := &tls.Config{}
	if d.tls != nil {
		config = d.tls.Clone()
	}
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(p string) bool { return p == "h2" })
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"}
	}
	return config
}

// secure makes a TLS connection on nc, and closes nc if it cannot.
func secure(ctx context.Context, nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return tc, nil
}

var errNoConn = errors.New("the option NetDial returned neither a connection nor an error")

// orError returns a NetDial that fails where the program's gives neither a connection nor an error.
func orError(dial func(ctx context.Context, network, addr string) (net.Conn, error),
) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if nc == nil && err == nil {
			err = errNoConn
		}
		return nc, err
	}
}

var defaultPorts = map[string]string{
	"ws": "80", "http": "80", "wss": "443", "https": "443", "socks5": "1080", "socks5h": "1080",
}

func hostPort(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPorts[u.Scheme]))
}

// webURL returns the URL as HTTP knows it: proxies are chosen by it, and cookies.
func (d *dialer) webURL(host string) *url.URL {
	u := *d.url
	u.Host = host
	u.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	return &u
}

// shake makes the opening handshake on t (RFC 6455, section 4.1).
func (d *dialer) shake(t *transport) error {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	br := newHandshakeReader(t.nc, d.maxHandshake)
	resp, written, err := exchange(t.nc, br, d.request(key))
	if err != nil {
		return &HandshakeError{Err: err}
	}
	if cookies := resp.Cookies(); d.jar != nil && len(cookies) > 0 {
		d.jar.SetCookies(d.webURL(d.host), cookies)
	}
	err = d.check(resp, key)
	if err == nil {
		t.deflate, err = d.compression.read(resp.Header)
	}
	if err == nil {
		err = <-written
	}
	if err != nil {
		body := firstKiB(t.nc, resp)
		return &HandshakeError{Status: resp.StatusCode, Header: resp.Header, Body: body, Err: err}
	}
	t.buffered = buffered(br.Reader)
	t.agreed = agreement{
		protocol:   resp.Header.Get("Sec-WebSocket-Protocol"),
		extensions: strings.Join(resp.Header.Values(extensionsField), ", "),
		header:     flatten(resp.Header),
	}
	return nil
}

func (d *dialer) request(key string) *http.Request {
	r := &http.Request{Method: http.MethodGet, URL: d.url, Host: d.host, Header: d.header.Clone()}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Header["User-Agent"] == nil {
		r.Header.Set("User-Agent", "") // net/http would name itself
	}
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Connection", "Upgrade")
	r.Header["Sec-WebSocket-Key"] = []string{key}
	r.Header["Sec-WebSocket-Version"] = []string{"13"}
	if len(d.subprotocols) > 0 {
		r.Header["Sec-WebSocket-Protocol"] = []string{strings.Join(d.subprotocols, ", ")}
	}
	if d.compression != nil {
		r.Header["Sec-WebSocket-Extensions"] = []string{d.compression.Offer()}
	}
	if d.jar != nil {
		for _, cookie := range d.jar.Cookies(d.webURL(d.host)) {
			r.AddCookie(cookie)
		}
	}
	return r
}

// check checks the server's response (RFC 6455, section 4.1).
func (d *dialer) check(resp *http.Response, key string) error {
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return errors.New("the server did not switch to WebSocket")
	case !resp.ProtoAtLeast(1, 1):
		return fmt.Errorf("the server speaks %s, not HTTP/1.1", resp.Proto)
	case !slices.EqualFunc(h.Values("Upgrade"), []string{"websocket"}, equalASCII):
		return fmt.Errorf("the response's Upgrade is %q, not websocket alone", h.Values("Upgrade"))
	case !hasToken(h, "Connection", "Upgrade"):
		return fmt.Errorf("the response's Connection is %q, not Upgrade", h.Values("Connection"))
	case !slices.Equal(h.Values("Sec-WebSocket-Accept"), []string{acceptKey(key)}):
		return fmt.Errorf("the response's Sec-WebSocket-Accept %q does not answer our key", h.Values("Sec-WebSocket-Accept"))
	}
	return d.checkSubprotocol(h.Values("Sec-WebSocket-Protocol"))
}

// checkSubprotocol checks what the server chose of those that were offered.
func (d *dialer) checkSubprotocol(chosen []string) error {
	switch {
	case len(chosen) == 0 && (len(d.subprotocols) == 0 || d.optional):
		return nil
	case len(chosen) == 0:
		return fmt.Errorf("the server chose none of the Subprotocols %q; SubprotocolOptional would let that be",
			d.subprotocols)
	case len(d.subprotocols) == 0:
		return fmt.Errorf("the server chose the subprotocol %q, and none was offered", chosen)
	case len(chosen) > 1, !slices.Contains(d.subprotocols, chosen[0]):
		return fmt.Errorf("the server chose the subprotocol %q, not one of %q", chosen, d.subprotocols)
	}
	return nil
}
