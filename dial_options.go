package wsstream

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DialOptions are the options of [Dial], which copies them. A nil pointer means the zero value,
// which is ready to use. The page docs/options.md lists all options with their defaults.
type DialOptions struct {
	// Subprotocols are offered to the server, in this order of preference. Each is a token, or
	// other visible ASCII without commas and quotes, for servers that expect such names
	// ("ZWS2.0/NULL"). No name may appear twice. If the server chooses none of them, the handshake
	// fails.
	// If empty, none is offered.
	Subprotocols []string

	// SubprotocolOptional accepts a server that chooses no subprotocol. Opened.Protocol is empty
	// then. It is for servers that never name a subprotocol in their response. A subprotocol that
	// was not offered still fails the handshake.
	SubprotocolOptional bool

	// Header is sent with the request. Fields that belong to the handshake are an error.
	// If nil, nothing is added.
	Header http.Header

	// Host is the Host of the request. The URL still says where to connect to, and which name the
	// certificate must have.
	// If empty, the URL's "host:port".
	Host string

	// Jar gives cookies for the request, in addition to those in Header. It stores the cookies of
	// the server's response, even if the response refuses the handshake. It never stores cookies of
	// a proxy. The URL that Jar gets has the scheme http or https, and Host as its host if Host is
	// set.
	// If nil, no cookies.
	Jar http.CookieJar

	// TLSConfig is for wss, and for proxies that are reached by https. If its NextProtos is empty,
	// ALPN offers http/1.1. It never offers h2. TLS sessions are resumed if ClientSessionCache is
	// set.
	// If nil, the certificate is verified against the system's roots and the URL's host.
	TLSConfig *tls.Config

	// Proxy returns the proxy for a request, or nil for none. The request's URL is that of the
	// server, with the scheme http for ws and https for wss.
	//
	// A proxy whose scheme is http or https is asked with CONNECT, also for ws. The schemes socks5
	// and socks5h mean the same: the proxy resolves the server's name. The proxy gets the user and
	// the password in its URL. If the proxy fails, the *HandshakeError wraps a *ProxyError.
	// If nil, http.ProxyFromEnvironment: HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
	// If nil and NetDial is set, no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// NetDial connects to addr. That is the "host:port" of the URL, or of the proxy's URL, with the
	// name not resolved. A NetDial can connect to a unix socket, or ask its own resolver. Read
	// deadlines must work on the connection that it returns: when a Pull's context ends, wsstream
	// sets one. Dial then runs the proxy's handshake and TLS over that connection.
	// If nil, DialContext of a net.Dialer, which tries all addresses of the name.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// ReadWindow limits the input that is buffered until a call pulls it, in bytes on the wire.
	// Behind a full window the socket is not read. The minimum is 256 bytes.
	// If zero, 64 KiB.
	// If negative, no limit: a peer can fill the memory.
	ReadWindow int

	// WriteWindow limits the output that is buffered until the kernel takes it, in bytes on the
	// wire. The one message that is being written is buffered in addition. Behind a full window
	// Write blocks. The minimum is 256 bytes.
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

	// MaxHandshakeSize limits the header of the server's response, in bytes. Responses with 1xx
	// before it count, too. It also limits the header of a proxy's response. A header may have 256
	// lines.
	// If zero, 64 KiB.
	// If negative, no limit: a server can fill the memory.
	MaxHandshakeSize int

	// HandshakeTimeout limits all of Dial's work: name resolution, proxy, TLS and the handshake.
	// If zero, 10 seconds.
	// If negative, no limit.
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
	// is full and no call pulls, no ping is sent. PingInterval needs no goroutine. The answers need
	// no call that pulls.
	//
	// Without PingInterval, the kernel notices lost hosts by TCP's own keepalive, which Go turns
	// on. The kernel does not notice a process that hangs, and proxies cut silent connections. For
	// these two set PingInterval to about 20 seconds.
	// If zero or negative, no pings.
	PingInterval time.Duration

	// PongTimeout limits the silence of a peer after a ping. The time starts when the kernel has
	// taken the ping. Any byte from the peer ends the silence. Beyond the limit the connection
	// fails, with 1008 on the wire. A peer whose own reader is stalled answers no pings, and counts
	// as silent.
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
	// Progress restarts the time. On TCP on Linux every byte that the peer's kernel acknowledges is
	// progress, and a stall may last a quarter longer. Elsewhere every 4 KiB that our kernel takes
	// is progress. A kernel whose buffer is full acknowledges in steps, of 64 KiB over loopback. A
	// peer that reads less than a step within the timeout counts as stalled. So set 30 seconds or
	// more.
	// If zero or negative, no limit: a peer that reads nothing keeps what the windows buffer.
	WriteStallTimeout time.Duration

	// ReadStallTimeout limits the time in which ReadWindow is full and no byte is pulled from it.
	// Beyond it the connection fails, with 1008 on the wire. While ReadWindow is full, the socket
	// is not read, so reading does not notice a lost peer.
	//
	// If PingInterval, IdleTimeout or WriteStallTimeout is set, a lost peer is noticed without
	// ReadStallTimeout on sockets, also under TLS. Then wsstream asks the kernel for an error, once
	// no byte was pulled for the smallest of PongTimeout, IdleTimeout and WriteStallTimeout.
	// If zero or negative, no limit.
	ReadStallTimeout time.Duration

	// OnPing and OnPong are called with the payload of each ping and pong from the peer. The
	// answers to our own pings are among them; their payload is 8 bytes. When OnPing is called, the
	// answer to the ping is on its way. payload is valid during the call only.
	//
	// The calls come one at a time and in order, on the goroutine that reads. That is a goroutine
	// inside Pull, or the Conn's background reader. For frames that came with the handshake, it is
	// the goroutine that makes the handshake. Nothing is read meanwhile, so OnPing and OnPong must
	// not block. Of the Conn's methods they may call TryWrite, Close, CloseNow, and methods that
	// only return information.
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
