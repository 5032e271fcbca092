// Package wsstream is WebSocketStream for Go: a WebSocket connection as two streams with automatic
// flow control.
//
// The browser's WebSocket has no backpressure: a producer that is faster than its consumer fills
// the memory. Here a connection is a [Conn] with two futures, opened and closed, and two streams, a
// [Readable] and a [Writable]. The socket is read only as far as the reader has room. A Write
// blocks while the peer does not keep up.
//
//	conn := wsstream.Dial(ctx, "wss://example.org/feed", nil) // returns immediately
//	defer conn.CloseNow()
//	for msg, err := range conn.Readable().All(ctx) { // waits for the handshake
//		if err != nil {
//			return err // the peer did not say that it was done
//		}
//		if err := conn.Writable().Write(ctx, reply(msg)); err != nil {
//			return err
//		}
//	}
//
// A loop over All without err compiles. At an end that is an error it gets an empty Message: take
// both values.
//
// On a server, [Accept] answers a request of net/http, and [AcceptConn] a request on a bare
// connection. An [Acceptor] does both, and closes its connections in order when the server stops.
//
// # The laws
//
//  1. Credit. Every byte that is buffered for a stream uses credit of that stream's window, at its
//     size on the wire. Inbound, at most max(ReadWindow, one message) and one read buffer are
//     buffered. Outbound, it is WriteWindow and one message. NextMessage and NewMessage buffer a
//     window, whatever the message's length. A stream that is stalled costs no CPU.
//  2. Cancelling a context ends the call, never the connection. A Pull whose context ended has
//     consumed nothing. A Write whose context ended has sent nothing, and one that was admitted is
//     sent whole. The connection goes on. A context that has ended because the connection has
//     ([Conn.Context], that of a [Handler]'s request, and all made from them) ends no call on it.
//  3. EOF is bare, and means that the peer said that it was done. It closed with 1000 or without a
//     code, or agreed to our Close. A page that was left (1001), a server that failed (1011) and
//     half a message never look complete. Pull and Write return an [*Error] with that code and
//     reason, behind all messages that came before. Closed has the code without an error, since the
//     closing handshake was clean.
//  4. Futures settle once. Each stream's final error is set once, by the first event that ends that
//     stream. Closed settles when the transport is closed and the ends of both streams are decided.
//  5. Nothing received is lost: all messages that came whole before the end can be pulled before
//     the end is reported. Nothing accepted is lost on a clean close: it is sent first.
//  6. Nothing is allocated for a length that a peer only declares. Buffers grow as bytes arrive.
//  7. Every goroutine has an owner and an end. A connection has at most one goroutine that reads,
//     while no call pulls and there is read credit or a close is pending. It has at most one that
//     writes, while there is a backlog. It has one for the handshake of Dial or AcceptConn, and one
//     that writes Dial's request. Others run for a moment only: when a context begins to be
//     watched, when a context or a timer ends, and to tell the Logger, the Trace and the Meter of
//     the end.
//  8. The library prints nothing, except to the Logger that it is given.
//
// # How a connection ends
//
// The table shows what Pull returns after all messages that came before, what Write returns, and
// what Closed settles with:
//
//	event                             Pull               Write          Closed
//	the peer closes with 1000 or no   io.EOF             ErrClosed      the peer's info
//	  code, all that we accepted
//	  was sent
//	the peer closes with any other    *Error, its code   the same       the peer's info
//	  code, or inside a message         and reason
//	the same, but what we accepted    *Error             *Error         *Error, the peer's
//	  could not be sent                                                   code
//	we Close                          io.EOF or *Error   ErrClosed      the peer's info
//	we Close, and the peer sends no   *Error 1006        ErrClosed      *Error 1006
//	  Close within CloseTimeout
//	the transport is lost             *Error 1006        the same       the same
//	the peer breaks the protocol or   *Error             the same       the same; the peer's
//	  a limit, or sends bad UTF-8                                         code or 1006, and which
//	                                                                      rule and code we sent
//	Writable.Close                    io.EOF or *Error   ErrClosed      as the handshake ends
//	Writable.Fail(e)                  io.EOF or *Error   e              as the handshake ends
//	Writable.Abort(e)                 io.EOF or *Error   e              as the handshake ends
//	Readable.Cancel(e)                io.EOF, now        ErrClosed      as the handshake ends
//	Acceptor.Shutdown, IdleTimeout    *Error 1001 that   the same       the peer's info
//	                                    names which
//	CloseNow                          *Error 1006        *Error 1006    *Error 1006, or what
//	                                                                      came first
//	the handshake fails               *HandshakeError    the same       the same
//	bad URL or options                an error           the same       the same
//	Close during the handshake        *Error 1006        the same       the same
//	Dial's context ends in it         its cause          the same       the same
//	the context of one call ends      its cause          its cause      its cause, and nothing
//	                                                                      else changes
//
// Some ends that we decided have two results in the column of Pull. It is io.EOF if the peer's
// Close has 1000, no code or our own code. Otherwise it is an *Error with the peer's code.
// Shutdown, Writable.Close and Fail return nil exactly where Pull returns io.EOF. Ping and the
// calls of a [MessageWriter] return the error of Write. [Writable.Abort] lists the codes that a
// failure has on the wire.
//
// An end is also unclean when we fail the connection. Our Close tells the peer why. The ends of
// both streams then wait for the peer's answer, for the end of the transport or for CloseTimeout,
// whichever comes first.
//
// # Limits
//
// All are fields of [DialOptions] and [AcceptOptions]. Zero means the default, and a negative
// number no limit. The minimum of both windows is 256 bytes:
//
//	option             default  what it limits                     beyond the limit
//	ReadWindow         64 KiB   unread input that is buffered,     the socket is not read: the peer
//	                            in bytes on the wire                 waits
//	MaxMessageSize     1 MiB    a message that a Pull assembles    *Error, 1009 on the wire
//	WriteWindow        64 KiB   unsent output that is buffered,    Write blocks, TryWrite refuses
//	                            beside one message
//	MaxFrameSize       64 KiB   a frame that we send               the message is sent in several
//	MaxHandshakeSize   64 KiB   the header of a handshake, for     *HandshakeError, with 431 on the
//	                            Dial and AcceptConn                  server
//	HandshakeTimeout   10 s     the opening handshake              *HandshakeError, with 408 on the
//	                                                                 server
//	CloseTimeout       5 s      from the decision to close to      the connection is cut
//	                            the peer's Close
//	PingInterval       none     silence in either direction        a ping
//	PongTimeout        20 s     the peer's silence after a ping    *Error that names it, 1008 on
//	                                                                 the wire
//	IdleTimeout        none     time without a byte of a message   closed in order, with 1001
//	WriteStallTimeout  none     time in which the peer takes none  *Error that names it, 1008 on
//	                            of our waiting output                the wire
//	ReadStallTimeout   none     time in which a full ReadWindow    *Error that names it, 1008 on
//	                            is not pulled from                   the wire
//
// Where the table has a code on the wire, our Close has that code. [CloseCode] gives the code of
// the peer's answer, and 1006 if none comes within CloseTimeout. The error's text has the option
// and the code that was sent. Pull and Write return that error when the answer is there. So a
// stalled Write fails after WriteStallTimeout and CloseTimeout.
//
// A control frame uses no credit while no unread data lies in front of it. So pings alone never
// fill the window, even if the program never pulls. Behind unread data a control frame counts
// against ReadWindow at its wire size. So do all fragments, the empty ones too.
//
// 16,384 consecutive frames without data within a second are a flood: pings, pongs and empty
// fragments. A flood fails the connection, with 1008 on the wire. As many consecutive compressed
// blocks without data fail it, too. Behind a flood, as behind a frame that breaks the protocol,
// nothing is parsed any more. So CloseCode is 1006.
//
// # Keepalive
//
// Pings are answered without a Pull, as long as ReadWindow has room. Behind a full window they
// wait, as in every implementation with true backpressure. Some peers cut connections whose pings
// are not answered. Then ReadWindow must have room for what the peer sends in that time, or the
// handler must pull or Discard.
//
// Pongs wait for the peer outside WriteWindow. Each ping is answered, in order, while the waiting
// pongs fit 4 KiB. Beyond that, the newest pong replaces them. At most 8 KiB of pongs, one ping of
// ours and our Close are buffered beside the windows.
//
// No pings are sent and no liveness timeout applies, unless one of the last five options of the
// table is set. A call of [Conn.Ping] sends one ping. OnPing and OnPong are called with the payload
// of the peer's pings and pongs.
//
// Any byte from the peer is a sign of life. While ReadWindow is full and no call pulls, we do not
// read. Then no ping is sent and no pong is waited for. So the keepalive does not cut a connection
// whose own reader is stalled. Meanwhile a lost peer is noticed only if the kernel tells of an
// error without a read, as for a reset on sockets. Elsewhere ReadStallTimeout limits how long that
// can last.
//
// A ping goes between two frames. PongTimeout starts only once the kernel has taken the ping. So a
// large message on a slow line is not cut by the ping behind it. A peer that does not read, for
// example to slow us down, does not see our pings. PongTimeout has to be longer than its pauses, or
// negative.
//
// # Seeing inside
//
// [Conn.Stats] returns what went each way, what is buffered, and how long there was no credit. A
// [Meter] in the options adds that up over many connections, for a process or for one kind of
// connection. The modules otelws and promws give it to OpenTelemetry and Prometheus. A [Trace] in
// the options has hooks that are called as things happen. There is no package-level state: two
// libraries in one program that use this one do not see each other's connections.
//
// # Compression
//
// Compression is off unless asked for: see [CompressionOptions]. The goroutine inside Write
// compresses what was admitted, a frame at a time. The goroutine that pulls inflates what has come.
// So law 1 holds for compressed bytes. A Pull whose context ended has not changed the context of
// the compression. Neither has a Write that was not admitted. The part of a message that a closed
// MessageReader has not read is still inflated where later messages may refer to it, up to
// MaxMessageSize. Beyond that the connection fails with 1009.
//
// # Sources
//
// RFC 6455, RFC 7692, the WHATWG Streams Standard, and the proposal for WebSocketStream in the
// WHATWG WebSockets Standard. HTTP/1.1 only: WebSocket over HTTP/2 (RFC 8441) is refused with an
// error that says so.
package wsstream
