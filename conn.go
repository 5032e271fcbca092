package wsstream

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/internal/wire"
	"github.com/wsstream/wsstream/stream"
)

// A Conn is a WebSocket connection: two streams with flow control, and two futures. All methods may be called at
// once from any number of goroutines, in every state.
//
// A Conn whose end came holds nothing but the messages that were not pulled. CloseNow, deferred, sees to the end
// of every Conn, whatever happened.
type Conn struct {
	url      string
	seen     *observer // nil if nobody looks on
	readable Readable
	writable Writable

	ends     wire.Ends // of the streams
	window   int       // the write window, for DesiredSize before opening
	acceptor *Acceptor // that accepted it; nil: none
	client   bool      // whether we dialled

	discard bool                      // Discard was called before opening; guarded by mu
	engine  atomic.Pointer[wire.Conn] // nil until the handshake is done; stored under mu

	mu      sync.Mutex
	abandon context.CancelFunc // ends the handshake; nil for nothing to end; guarded by mu, as the next ones
	agreed  agreement          // valid once there is an engine
	end     *outcome           // nil until all has ended; without an engine the handshake has failed
	opened  *promise[Opened]   // nil until somebody asks for it, as the next ones
	closed  *promise[CloseInfo]
	ending  *ending // what Context returned
}

func newConn(url string, o *options) *Conn {
	c := &Conn{
		url:    url,
		seen:   o.observer(),
		window: o.WriteWindow,
	}
	c.readable.c, c.writable.c = c, c
	return c
}

// URL returns the address of the connection, its scheme ws or wss, without credentials. One that Dial
// could not use is as it was given, without what stands before its last @.
func (c *Conn) URL() string { return c.url }

// LocalAddr is the transport's address at this end. Before the handshake is done, and where the transport has none,
// it is the URL, as an address of the network "websocket".
func (c *Conn) LocalAddr() net.Addr { return c.addr(net.Conn.LocalAddr) }

// RemoteAddr is the transport's address at the peer's end, which may be a proxy's. Before the handshake is done, and
// where the transport has none, it is the URL, as an address of the network "websocket".
func (c *Conn) RemoteAddr() net.Addr { return c.addr(net.Conn.RemoteAddr) }

func (c *Conn) addr(of func(net.Conn) net.Addr) net.Addr {
	if w := c.engine.Load(); w != nil {
		if a := of(w.Transport()); a != nil {
			return a
		}
	}
	return urlAddr(c.url)
}

type urlAddr string

func (urlAddr) Network() string  { return "websocket" }
func (a urlAddr) String() string { return string(a) }

// Opened settles when the handshake is done: with a *HandshakeError if it failed, the cause of Dial's context if
// that ended first, a plain error if the URL or the options were bad. A Conn of Accept or AcceptConn is open already.
func (c *Conn) Opened() *stream.Future[Opened] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened == nil {
		c.opened = newPromise[Opened]()
		switch {
		case c.engine.Load() != nil:
			c.opened.settle(c.agreed.opened(c), nil)
		case c.end != nil:
			c.opened.settle(Opened{}, c.end.err)
		}
	}
	return c.opened.future
}

// Closed settles when all has ended: the transport is gone, and the ends of both streams are decided. After a
// clean close it holds the peer's code and reason; an unclean end is an *Error, and a handshake that failed is
// the error of Opened. The table of ends in the package documentation says which.
//
// With nobody pulling, a lost peer is noticed as long as there is read credit. Behind a full window
// it is noticed by the next Pull, by a write's error, by CloseTimeout, by ReadStallTimeout, or
// where another option of the keepalive is set and the kernel tells of an error.
func (c *Conn) Closed() *stream.Future[CloseInfo] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = newPromise[CloseInfo]()
		if c.end != nil {
			c.closed.settle(c.end.info, c.end.err)
		}
	}
	return c.closed.future
}

// Readable is the stream of the peer's messages. It is there before the handshake is done, and waits for it.
func (c *Conn) Readable() *Readable { return &c.readable }

// Writable is the stream of messages to the peer. It is there before the handshake is done, and waits for it.
func (c *Conn) Writable() *Writable { return &c.writable }

// Duplex returns both streams, for what takes them together.
func (c *Conn) Duplex() stream.Duplex[Message, Message] {
	return stream.Duplex[Message, Message]{Readable: &c.readable, Writable: &c.writable}
}

// Close starts the closing handshake and does not wait: Writes fail with ErrClosed from here on, those still
// waiting too; what was accepted is sent, then a Close frame with info; messages that come before the peer's
// Close can be pulled, and then io.EOF where the peer's Close carries 1000, no code or the code of info, else an
// *Error with the peer's. CloseTimeout bounds all that.
//
// When nobody pulls, the input is read as long as there is read credit, so a peer's Close behind a full window of
// unread messages is not seen, and the end is 1006 after CloseTimeout: Shutdown, Cancel and CloseNow do not wait
// for a reader.
//
// A code or reason that may not be sent is an error of the call, and leaves the connection as it was. Otherwise
// Close returns nil, in every state, and the first decision to close counts. During the handshake it abandons it.
// RFC 6455, section 7.1.2.
func (c *Conn) Close(info CloseInfo) error {
	out, err := info.check()
	if err != nil {
		return err
	}
	if w := c.orAbandon(errHandshakeClosed); w != nil {
		w.Close(out)
	}
	return nil
}

// Shutdown closes as Close does, discards what still comes, and waits for the end. It returns nil where a Pull would
// give io.EOF, else the error that a Pull would give: of an unclean end, or with a code of the peer's that is not ours.
// If ctx ends first it cuts the connection and returns context.Cause(ctx).
func (c *Conn) Shutdown(ctx context.Context, info CloseInfo) error {
	if err := c.Close(info); err != nil {
		return err
	}
	if w := c.engine.Load(); w != nil {
		w.Discard()
	}
	closed := c.Closed()
	_, _ = closed.Wait(ctx) // whose error may be that of ctx; the end is asked for below
	if _, err, settled := closed.Peek(); settled {
		if w := c.engine.Load(); w != nil {
			return w.End()
		}
		return err
	}
	c.CloseNow()
	return context.Cause(ctx)
}

// CloseNow cuts the connection: no Close frame is sent unless one stands behind what was accepted, unread messages are
// dropped, and all that has not ended ends with an *Error of code 1006. It does not wait for the peer. On TCP and unix
// sockets, and on TLS over TCP on Linux, what was accepted and the kernel takes without waiting is given to it first.
// A peer that goes on sending can still make its kernel throw that away: Shutdown is for those. After the end CloseNow
// only drops what is unread.
func (c *Conn) CloseNow() {
	if w := c.orAbandon(errHandshakeClosed); w != nil {
		w.CloseNow()
	}
}

// Ping sends a ping and waits for its pong, and returns the time from when the transport had taken
// the one until the other was read: the round trip. Nobody has to pull meanwhile, but the pong is
// read as all else is: while ReadWindow is full and nobody pulls, it waits. Calls that come before
// a ping has left share it. The pong is read immediately; a peer that is a Conn, and from which no
// goroutine has pulled yet or for long, may take 10 ms to read the ping.
//
// The end of ctx ends the wait, with its cause, and nothing else. After the end it returns what a Pull gives, ErrClosed
// where that is io.EOF. Before opening it waits for the handshake.
// RFC 6455, section 5.5.2.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	w, err := c.wait(ctx)
	if err != nil {
		return 0, err
	}
	return w.Ping(ctx)
}
