package wsstream

import (
	"cmp"
	"context"
	"errors"
	"net/url"

	"github.com/wsstream/wsstream/internal/handshake"
)

// Dial connects to a WebSocket server. It returns immediately, as new WebSocketStream(url) does:
// the Conn's Opened settles when the handshake is done. A Pull or a Write waits for the handshake.
//
// url is absolute, without a fragment. Its scheme is ws or wss; http means ws, and https means wss.
// Its user and password are sent as basic credentials. As in browsers, a host name outside ASCII is
// converted to A-labels, and spaces and characters outside ASCII are escaped. If the URL or an
// option is bad, both futures have that error, and nothing is dialled. Errors show the path and the
// query of a URL, but never the part before an @.
//
// ctx governs the handshake only. If it ends before the handshake is done, the attempt is dropped,
// and both futures settle with context.Cause(ctx). So a function with a deferred cancel must wait
// for Opened before it returns the Conn. After the handshake ctx does nothing.
//
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
		h := o.client(opt, u, cmp.Or(host, u.Host))
		if user != nil {
			h.SetCredentials(user)
		}
		ctx, cancel := context.WithCancel(ctx)
		c.abandon = cancel
		opt.starts(true)
		go c.dial(ctx, cancel, h, opt) // the Conn's own: it ends with the handshake, or with ctx
	}
	return c
}

// client returns the client's side of the handshake with the server at u.
func (o *DialOptions) client(opt *options, u *url.URL, host string) *handshake.Client {
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
func (c *Conn) dial(
	parent context.Context, done context.CancelFunc, h *handshake.Client, o *options,
) {
	defer done() // releases the caller's context
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
	case err == nil && c.open(&t, newAgreement(&t.Agreed), o):
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

// answered reports whether err has a response of the server or of a proxy. A response says more
// than that its body came too late.
func answered(err error) bool {
	if e, ok := errors.AsType[*ProxyError](err); ok && e.Status != 0 {
		return true
	}
	e, ok := errors.AsType[*HandshakeError](err)
	return ok && e.Status != 0
}
