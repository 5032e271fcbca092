// Package resume carries a stream of messages over WebSocket connections that come and go.
//
// A [Session] has two streams, as a wsstream.Conn has. When its connection is lost, the client
// makes another one, and the session continues: each message arrives exactly once and in order.
// That holds as long as both processes live and the client is not away for too long.
//
//	s := resume.Dial(ctx, "wss://example.org/feed", nil) // returns immediately
//	defer s.CloseNow()
//	for msg, err := range s.Readable().All(ctx) { // waits for connections
//		if err != nil {
//			return err // a *resume.LostError has what was not acknowledged
//		}
//		if err := s.Writable().Write(ctx, reply(msg)); err != nil {
//			return err
//		}
//	}
//
// A [Server] is an http.Handler. It calls a function once for each session, and not for each
// connection.
//
// # The laws
//
//  1. A message that a Write accepted arrives exactly once and in order, or the session ends with
//     an error on both sides. Text stays text, and binary stays binary.
//  2. A Write copies its message. The copy is kept until the peer has received the message. While
//     there is no connection, Writes are accepted until the window is full. Then they wait.
//  3. A receiver that does not pull stops the sender. The peer tells how far its program has
//     pulled, and a sender is never further ahead than the window. So each side keeps at most its
//     window and one message in each direction. Short messages travel together.
//  4. A side reads its connection even if its program does not pull. So acknowledgements arrive
//     while the program only writes.
//  5. A loss of the connection ends no call. A context ends a call, and never the session.
//  6. Each session has one end. If it ends in order, both sides have received everything, and have
//     the peer's code and reason. Otherwise both sides have an error.
//
// # How a session ends
//
// The table shows what Pull returns after all messages that came before, what Write returns, and
// what Closed settles with. The Conn's own table has the same rows where a connection ends in
// order:
//
//	event                        Pull                Write            Closed
//	the peer closes with 1000    io.EOF              ErrClosed        the peer's info
//	  or no code
//	the peer closes with any     *wsstream.Error     the same         the peer's info
//	  other code
//	we Close                     io.EOF, or the      ErrClosed        the peer's info
//	                               *wsstream.Error
//	                               of another code
//	Writable.Fail(e), Abort(e)   the same            e                the peer's info
//	Readable.Cancel(e)           io.EOF              ErrClosed        the peer's info
//	away for AwayTimeout         *LostError          the same         the same
//	the server forgot it         *LostError that     the same         the same
//	                               wraps ErrGone
//	another client has its id    *LostError that     the same         the same
//	                               wraps
//	                               ErrTakenOver
//	the server refuses the user  *LostError that     the same         the same
//	  of a further connection      wraps ErrRefused
//	                               or a
//	                               *HandshakeError
//	the peer does not answer     *LostError          the same         the same
//	  our end for AwayTimeout
//	the peer refuses a message   *LostError that     the same         the same
//	  (1002, 1003, 1007, 1009)     wraps the
//	                               *wsstream.Error
//	CloseNow, on either side     an error            the same         the same
//	the peer breaks the          an error            the same         the same
//	  protocol
//	Dial's context ends first    its cause           the same         the same
//
// A side that closes in order still takes messages. The end is in order once both sides have
// acknowledged everything. A connection that is lost meanwhile is replaced.
//
// One case stays open, as in every protocol. The client may disappear for ever just when it has
// everything. Then the server waits for AwayTimeout, and ends with a *LostError without messages.
//
// # Options
//
// The options of the connections themselves are those of wsstream, in the field Conn. These belong
// to the session:
//
//	option             default    what it limits                   beyond the limit
//	Window             1 MiB      messages that were accepted and  Write blocks, TryWrite refuses
//	                                not pulled by the peer, each
//	                                way; the smaller one of both
//	                                sides counts
//	AwayTimeout        2 min      time without a connection; time  *LostError
//	                                that the peer takes to answer
//	                                our end
//	FirstPause,        0.1, 10 s  pauses between attempts of       –
//	  LongestPause                  Dial, with jitter
//	MaxSessions        none       sessions of a Server; also       the client tries again; the
//	                                those that ended and are         oldest is forgotten
//	                                remembered
//	MaxGreetings       4096       connections of a Server that     503, and the client tries again
//	                                have no session yet
//	MaxMessageSize     1 MiB      a message; field of Conn         the peer's Write fails
//	PingInterval       20 s       field of Conn: finds             another connection
//	                                connections that are lost
//	Authenticate       none       the user of a session            403, or 4005 from ServeConn;
//	                                                                 4001 for a session of another
//	                                                                 user
//	Hooks              none       called when a connection opens,  –
//	                                is lost, or continues
//
// Each message counts with 5 bytes beside its payload. A greeting has 10 seconds. A connection may
// bring 64 KiB in one message, even if MaxMessageSize is less.
//
// # The protocol
//
// The file PROTOCOL.md describes the subprotocol resume.v1.wsstream on one page. The file resume.js
// is a client for browsers and Node. The page docs/javascript.md of the repository explains it.
package resume
