package wsstream

import (
	"log/slog"
	"net/http"
	"time"
)

// AcceptOptions are the options of [Accept], [AcceptConn] and [Handler], which copy them. A nil
// pointer means the zero value, which is ready to use. The page docs/options.md lists all options
// with their defaults.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks. The server chooses the first in the client's
	// list that is one of them; case counts. If none is, the connection has no subprotocol. Other
	// names in the client's list are ignored, valid or not. Each subprotocol is a token, and no
	// name may appear twice.
	// If empty, none is chosen.
	Subprotocols []string

	// Header is sent with the response that accepts, and not with a response that refuses. Fields
	// that belong to the handshake are an error. Accept also sends the fields in the
	// ResponseWriter's header.
	// If nil, nothing is added.
	Header http.Header

	// Origins are patterns of origins whose pages may connect. The server's own origin always may:
	// the origin whose host is that of the request, whatever the scheme. Requests without an Origin
	// header are accepted; browsers always send one. Beware: "*" lets the pages of every site
	// connect with the cookies of their users.
	//
	// A pattern is matched as path.Match does, without case, against the origin's host and port:
	// "*.example.org", "localhost:*". A pattern with a scheme is matched against the whole origin:
	// "https://example.org". The brackets of an IPv6 address are no special characters:
	// "[::1]:3000". Browsers leave out the default port of a scheme. A pattern that names it still
	// matches: "https://example.org:443". "localhost:*" matches only ports that are not the
	// default.
	// If empty, the server's own origin only.
	Origins []string

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

	// MaxHandshakeSize limits the header of a request on a bare connection, in bytes. A client that
	// sends more gets 431, as it does for more than 256 lines. The Conn keeps the header, for
	// Opened. MaxHandshakeSize is for AcceptConn only: for Accept, http.Server.MaxHeaderBytes
	// limits the request.
	// If zero, 64 KiB.
	// If negative, no limit of the bytes, only of the lines: a client can fill the memory.
	MaxHandshakeSize int

	// HandshakeTimeout limits the reading of a request on a bare connection, and the writing of the
	// response. A client whose request takes longer gets 408, and has a second to read that. For
	// Accept, net/http has read the request before: http.Server.ReadHeaderTimeout limits that.
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

// Check returns the error that Accept, AcceptConn and Handler find in o. It names the option. Nil
// options are good.
func (o *AcceptOptions) Check() error {
	_, err := o.responder(nil)
	return err
}
