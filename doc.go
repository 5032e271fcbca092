// Package wsstream is WebSocketStream for Go: a WebSocket connection as two streams with flow control that works by
// itself.
//
// The browser's WebSocket has no backpressure: a producer that is faster than its consumer fills memory. Here a
// connection is a [Conn] with two futures, opened and closed, and two streams, a [Readable] and a [Writable]. The socket
// is read only for what the reader has room for, and a Write waits when the peer does not keep up.
//
//	conn := wsstream.Dial(ctx, "wss://example.org/feed", nil) // returns immediately
//	defer conn.CloseNow()
//	for msg, err := range conn.Readable().All(ctx) { // waits for the handshake by itself
//		if err != nil {
//			return err // the peer did not say that it was done
//		}
//		if err := conn.Writable().Write(ctx, reply(msg)); err != nil {
//			return err
//		}
//	}
//
// A loop over All without err compiles, and hands out an empty Message at an end that is an error: take both.
//
// On the server [Accept] answers a request of net/http, and [AcceptConn] one on a bare connection. An [Acceptor] has both, and
// closes its connections in order when the server stops.
//
// # The laws
//
//  1. Credit. Every byte that is held for a stream is paid for with credit of that stream's window, and counts as it is
//     held: as it is on the wire. Inbound at most max(ReadWindow, one message) and one read buffer are held, outbound
//     WriteWindow and one message; NextMessage and NewMessage hold a window, whatever the message's length. A stream that
//     is stalled costs no CPU.
//  2. A context ends the wait, never the wire. A Pull whose context ended has consumed nothing, a Write whose context
//     ended has sent nothing, and one that was admitted is sent whole. The connection goes on. A context that has ended
//     because the connection has ([Conn.Context], that of a [Handler]'s request, all made from them) ends no call on it.
//  3. EOF is bare, and means that the peer said it was done: it closed with 1000 or without a code, or agreed to our
//     Close. A page that was left (1001), a server that failed (1011) and half a message never look complete: Pull and
//     Write give an [*Error] with that code and reason, behind all messages that came before. Closed gives the code
//     without an error, since the closing handshake was clean.
//  4. Settle once. A future settles once. Each stream's final error is set once, by the first event that ends that
//     stream; Closed settles when the transport is gone and both streams' ends are decided.
//  5. Nothing received is lost: all messages that came whole before the end can be pulled before the end is reported.
//     Nothing accepted is lost on a clean close: it is sent first.
//  6. Nothing is allocated because a peer declared it. Buffers grow as bytes arrive.
//  7. Every goroutine has an owner and an end. One connection has at most one that reads, while nobody pulls and there
//     is read credit or a close is pending, one that writes, while there is a backlog, and one for the handshake of Dial
//     or AcceptConn, with one that writes Dial's request; beside them, for a moment, what runs when a context begins to be
//     watched, or a context or a timer ends, and what tells the Logger, the Trace and the Meter of the end.
//  8. The library prints nothing, but to the Logger it is given.
//
// # How a connection ends
//
// What Pull returns, after all messages that came before, what Write returns, and what Closed settles with:
//
//	event                             Pull               Write                 Closed
//	the peer closes with 1000 or no   io.EOF             ErrClosed             the peer's info
//	  code, all that we accepted
//	  was sent
//	the peer closes with any other    *Error, its code   the same              the peer's info
//	  code, or inside a message         and reason
//	the same, but what we accepted    *Error             *Error                *Error, the peer's code
//	  could not be sent
//	we Close                          io.EOF or *Error   ErrClosed             the peer's info
//	we Close, and the peer sends no   *Error 1006        ErrClosed             *Error 1006
//	  Close within CloseTimeout
//	the transport is lost             *Error 1006        the same              the same
//	the peer breaks the protocol or   *Error             the same              the same; the peer's code or 1006, and
//	  a limit, or sends bad UTF-8                                                which rule and code we sent
//	Writable.Close                    io.EOF or *Error   ErrClosed             as the handshake ends
//	Writable.Fail(e)                  io.EOF or *Error   e                     as the handshake ends
//	Writable.Abort(e)                 io.EOF or *Error   e                     as the handshake ends
//	Readable.Cancel(e)                io.EOF, now        ErrClosed             as the handshake ends
//	Acceptor.Shutdown, IdleTimeout    *Error 1001 that   the same              the peer's info
//	                                    names which
//	CloseNow                          *Error 1006        *Error 1006           *Error 1006, or what came first
//	the handshake fails               *HandshakeError    the same              the same
//	bad URL or options                an error           the same              the same
//	Close during the handshake        *Error 1006        the same              the same
//	Dial's context ends in it         its cause          the same              the same
//	the context of one call ends      its cause          its cause             its cause, and nothing else changes
//
// Where both are given for an end that we decided, Pull gives io.EOF if the peer's Close carries 1000, no code or our
// own code, and else an *Error with the peer's. Shutdown, Writable.Close and Fail return nil just where Pull gives
// io.EOF; Ping and the calls of a [MessageWriter] give what Write does. [Writable.Abort] tells which code a failure has
// on the wire.
//
// An end is unclean, too, when we fail the connection: our Close tells the peer why, and the ends of both streams wait
// for the peer's answer, for the end of the transport or for CloseTimeout, whichever comes first.
//
// # Bounds
//
// All are fields of [DialOptions] and [AcceptOptions]. Zero stands for the default, a negative number for none; the
// windows' least is 256 bytes:
//
//	option             default  what it bounds                              beyond it
//	ReadWindow         64 KiB   input held that nobody has pulled,          the socket is not read: the peer waits
//	                            as it is on the wire
//	MaxMessageSize     1 MiB    a message that a Pull puts together         *Error, 1009 on the wire
//	WriteWindow        64 KiB   output held that the kernel has not         Write waits, TryWrite says no
//	                            taken, beside one message
//	MaxFrameSize       64 KiB   a frame that we send                        the message is sent in several
//	MaxHandshakeSize   64 KiB   the header of a handshake, for Dial         *HandshakeError, with 431 on the server
//	                            and AcceptConn
//	HandshakeTimeout   10 s     the opening handshake                       *HandshakeError, with 408 on the server
//	CloseTimeout       5 s      from the decision to close to the           the connection is cut
//	                            peer's Close
//	PingInterval       none     silence in either direction                 a ping
//	PongTimeout        20 s     the peer's silence after a ping             *Error that names it, 1008 on the wire
//	IdleTimeout        none     time without a byte of a message            closed in order, with 1001
//	WriteStallTimeout  none     time in which the peer takes nothing        *Error that names it, 1008 on the wire
//	                            that waits to be sent
//	ReadStallTimeout   none     time in which nothing is pulled from a      *Error that names it, 1008
//	                            full ReadWindow                             on the wire
//
// Where the table has a code on the wire, our Close carries it. [CloseCode] gives the code of the peer's answer, and 1006
// if none comes within CloseTimeout. The error's text has the option and the code that was sent. Pull and Write return that
// error when the answer is there, so a stalled Write fails after WriteStallTimeout and CloseTimeout.
//
// A control frame uses no credit while nothing unread lies in front of it: a peer can ping for ever a stream that the
// program never pulls from. Behind unread data it counts against ReadWindow at its wire size, as all fragments do, the
// empty ones too. Pings, pongs and empty fragments bring nothing: 16,384 of them in a row within a second are a flood, and
// fail the connection, with 1008 on the wire. Behind a flood, as behind a frame that breaks the protocol, nothing is parsed
// any more, so CloseCode is 1006. As many compressed blocks that bring nothing fail the connection too.
//
// # Keepalive
//
// Pings are answered without a Pull, as long as ReadWindow has room. Behind a full window they wait, as in every
// implementation with true backpressure: where the peer cuts connections whose pings are not answered, ReadWindow has to
// hold what the peer sends in that time, or the handler has to pull or Discard.
//
// Pongs wait for the peer outside WriteWindow. Each ping is answered, in order, while the pongs
// that wait fit 4 KiB; beyond, the newest replaces them. At most 8 KiB of pongs, one ping of ours
// and our Close are held beside the windows.
//
// Nothing pings and nothing judges the peer unless an option of the last five rows asks for it, or
// a call of [Conn.Ping]. OnPing and OnPong are called with the payload of the peer's.
//
// Any byte from the peer is a sign of life. While we hold back reading ourselves, because
// ReadWindow is full and nobody pulls, nobody is pinged and no pong is waited for: a reader who is
// stalled on purpose is not cut by his own keepalive. A peer that is gone meanwhile is noticed
// where the kernel tells of an error without a read, as it does on sockets for a reset; elsewhere
// ReadStallTimeout bounds how long that can last. A ping goes between two frames, and its time
// begins when the kernel has taken it, so that a large message on a slow line is not cut by the
// ping behind it. A peer who is stalled on purpose himself does not see our pings: PongTimeout has
// to be longer than his pauses, or negative.
//
// # Seeing inside
//
// [Conn.Stats] tells what went each way, what is held and how long there was no credit. A [Meter] in the options adds that
// up over many connections, for a process or a kind of connection: modules otelws and promws give it to OpenTelemetry and
// Prometheus. A [Trace] in the options has hooks that are called as things happen. Neither is package-level state: two
// libraries in one program that use this one do not see each other's connections.
//
// # Compression
//
// Off unless asked for: see [CompressionOptions]. What was admitted is compressed by the goroutine inside Write, a frame at a
// time, and what has come is inflated by the one that pulls, so law 1 holds as it stands: compressed bytes are what is held.
// A Pull that its context ended, and a Write that was not admitted, have changed no context of the compression. What a
// closed MessageReader has not read is inflated all the same where later messages may refer to it, up to MaxMessageSize;
// beyond, the connection fails with 1009.
//
// # Sources
//
// RFC 6455, RFC 7692, the WHATWG Streams Standard, and the proposal for WebSocketStream in the WHATWG WebSockets Standard. HTTP/1.1
// only: WebSocket over HTTP/2 (RFC 8441) is refused with an error that says so.
package wsstream
