// Package wsstream is WebSocketStream for Go: a WebSocket connection as two streams with automatic
// flow control.
//
// The browser's WebSocket has no backpressure: a producer that is faster than its consumer fills
// the memory. Here a connection is a [Conn]. It has two futures, Opened and Closed, and two
// streams, a [Readable] and a [Writable]. The socket is read only as far as the reader has room. A
// Write blocks while the peer does not keep up.
//
//	conn := wsstream.Dial(ctx, "wss://example.org/feed", nil) // returns immediately
//	defer conn.CloseNow()
//	for msg, err := range conn.Readable().All(ctx) { // waits for the handshake
//		if err != nil {
//			return err // a clean end is no error: it ends the loop
//		}
//		if err := conn.Writable().Write(ctx, reply(msg)); err != nil {
//			return err
//		}
//	}
//
// Take both values of All. A loop with one variable compiles, and gets an empty Message when the
// connection ends with an error.
//
// On a server, [Accept] answers a request of net/http, and [AcceptConn] a request on a bare
// connection. An [Acceptor] does both, and closes all its connections when the server stops.
//
// A server with very many connections, of which most are idle, gives their messages to a function:
// see [Readable.Handle]. An idle connection then has no goroutine.
//
// # The laws
//
//  1. Credit. Every byte that is buffered for a stream uses credit of that stream's window, at its
//     size on the wire. Inbound, at most max(ReadWindow, one message) and one read buffer are
//     buffered. Outbound, at most WriteWindow and one message are buffered. NextMessage and
//     NewMessage buffer at most the window, for a message of any length. A stalled stream uses no
//     CPU.
//  2. Cancelling a context ends the call, never the connection. A Pull whose context ended has
//     consumed nothing. A Write that returns because its context ended has sent nothing. A message
//     is admitted when its Write has its turn and credit. From then on the message is sent whole,
//     even if the context ends. There is one exception: the end of the connection also ends
//     [Conn.Context], the context of a [Handler]'s request, and contexts made from them. Then these
//     contexts end no call on that connection.
//  3. Pull returns a bare io.EOF only if the peer said that it was done. The peer closed with 1000
//     or without a code, or agreed to our Close. A page that was left (1001), a server that failed
//     (1011) and half a message never look complete. Pull and Write return an [*Error] with the
//     peer's code and reason. Pull first returns all messages that came before. Closed returns the
//     code without an error if the closing handshake was complete.
//  4. Futures settle once. Each stream's final error is set once, by the first event that ends that
//     stream. Closed settles when the transport is closed and the ends of both streams are decided.
//  5. Nothing received is lost: all messages that came whole before the end can be pulled first.
//     Then Pull reports the end. Nothing accepted is lost on a clean close: it is sent before the
//     Close frame.
//  6. Nothing is allocated for a length that a peer only declares. Buffers grow as bytes arrive.
//  7. Every goroutine has an owner and an end. A connection has at most one goroutine that reads.
//     It runs while no call pulls, and there is read credit or a close is pending. On Linux, macOS
//     and the BSDs, a TCP or unix socket has it only while there is something to read. All these
//     sockets share the few goroutines of a poller. A message handler has a goroutine while it
//     runs. A connection has at most one goroutine that writes. It runs while there is a backlog.
//     The handshake of Dial or AcceptConn has a goroutine, and so has the writing of Dial's
//     request. Other goroutines run for a moment only. They start the watch of a context, or react
//     to the end of a context or a timer. One reports the connection's end to the Logger, the Trace
//     and the Meter.
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
//	the same, and the peer sends no   *Error 1006        *Error 1001    *Error 1006
//	  Close within CloseTimeout
//	CloseNow                          *Error 1006        *Error 1006    *Error 1006, or what
//	                                                                      came first
//	the handshake fails               *HandshakeError    the same       the same
//	bad URL or options                an error           the same       the same
//	Close during the handshake        *Error 1006        the same       the same
//	Dial's context ends in it         its cause          the same       the same
//	the context of one call ends      its cause          its cause      its cause, and nothing
//	                                                                      else changes
//
// Where the table says "io.EOF or *Error", the peer's answer to our Close decides. Pull returns
// io.EOF if the peer's Close has 1000, no code or our own code. Otherwise Pull returns an *Error
// with the peer's code. "As the handshake ends" means the closing handshake: the peer's info if it
// is complete, and an *Error if not. Shutdown, Writable.Close and Fail return nil exactly where
// Pull returns io.EOF. Ping and the calls of a [MessageWriter] return the error of Write.
// [Writable.Abort] lists the close code for each kind of error.
//
// An end is also unclean when wsstream fails the connection because of the peer. Our Close frame
// tells the peer the reason. Pull and Write then report the end at the first of these: the peer's
// answer, the end of the transport, or CloseTimeout.
//
// # Limits
//
// All limits are fields of [DialOptions] and [AcceptOptions]. Zero means the default. A negative
// number means no limit. The minimum of both windows is 256 bytes:
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
// "1008 on the wire" means that our Close frame has code 1008. [CloseCode] returns the code of the
// peer's answer, and 1006 if no answer comes within CloseTimeout. The error's text names the option
// and the code that was sent. Pull and Write return that error once the answer has come or
// CloseTimeout is over. So a stalled Write fails at most CloseTimeout after WriteStallTimeout.
//
// A control frame uses no credit while no unread data is in front of it. So pings alone never fill
// the window, even if the program never pulls. Behind unread data a control frame counts against
// ReadWindow at its wire size. All fragments count, too, even empty ones.
//
// 16,384 consecutive frames without data within a second are a flood. Frames without data are
// pings, pongs and empty fragments. A flood fails the connection, with 1008 on the wire. 16,384
// consecutive compressed blocks without data do the same. After a flood, or after a frame that
// breaks the protocol, no more frames are parsed. So the peer's answer is not seen, and CloseCode
// returns 1006.
//
// The page docs/security.md lists attacks, and what each costs at most.
//
// # Keepalive
//
// Pings are answered without a Pull, as long as ReadWindow has room. Behind a full window pings
// wait, as in every implementation with true backpressure. Some peers cut a connection if a ping is
// not answered in time. For such a peer, ReadWindow must have room for all that the peer sends in
// that time. Otherwise the handler must pull or call Discard.
//
// Waiting pongs do not count against WriteWindow. Each ping is answered, in order, while the
// waiting pongs fit 4 KiB. Beyond that, the newest pong replaces the waiting ones. In addition to
// the windows, at most 8 KiB of pongs, one ping of ours and our Close are buffered.
//
// No pings are sent and no liveness timeout applies, unless one of the last five options of the
// table is set. A call of [Conn.Ping] sends one ping. OnPing and OnPong are called with the payload
// of the peer's pings and pongs.
//
// Any byte from the peer is a sign of life. While ReadWindow is full and no call pulls, wsstream
// does not read. Then it sends no ping and waits for no pong. So the keepalive does not cut a
// connection because our own reader is stalled. Meanwhile wsstream notices a lost peer only if the
// kernel reports an error without a read, such as a reset of a socket. In all other cases,
// ReadStallTimeout limits how long a lost peer can stay unnoticed.
//
// A ping goes between two frames. PongTimeout starts only once the kernel has taken the ping. So a
// large message on a slow line does not make the ping time out. A peer that does not read, for
// example to slow us down, does not see our pings. PongTimeout must be longer than the pauses of
// such a peer, or negative.
//
// # Seeing inside
//
// [Conn.Stats] returns three things for each direction: how much was transferred, how much is
// buffered, and how long there was no credit. A [Meter] in the options adds these figures up over
// many connections. The modules otelws and promws export a Meter to OpenTelemetry and Prometheus. A
// [Trace] in the options has hooks that are called as things happen. There is no package-level
// state. If two libraries in one program use wsstream, neither sees the other's connections.
//
// # Compression
//
// Compression is off unless asked for: see [CompressionOptions]. Write compresses an admitted
// message on the caller's goroutine, one frame at a time. Pull inflates on the caller's goroutine,
// too. So the windows count compressed bytes (law 1). A Pull whose context ended, and a Write that
// was not admitted, have not changed the state of the compression. If a MessageReader is closed
// early, the rest of its message is dropped. That rest is still inflated if later messages may
// refer to it. If it is larger than MaxMessageSize, the connection fails with 1009.
//
// # Sources
//
// RFC 6455, RFC 7692, the WHATWG Streams Standard, and the proposal for WebSocketStream in the
// WHATWG WebSockets Standard. wsstream speaks HTTP/1.1 only: it refuses WebSocket over HTTP/2 (RFC
// 8441) with an error that says so.
package wsstream
