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

// A Conn is a WebSocket connection: two streams with flow control, and two futures. All methods may
// be called concurrently, in every state.
//
// After its end a Conn keeps only the messages that were received and not pulled. A deferred
// CloseNow ends a Conn in every case.
type Conn struct {
	url      string
	seen     *observer // nil: no Logger, Trace or Meter
	readable Readable
	writable Writable

	ends     wire.Ends // of the streams
	window   int       // the write window, for DesiredSize before opening
	acceptor *Acceptor // that accepted it; nil: none
	client   bool      // Dial made it

	discard bool                      // Discard was called before opening; guarded by mu
	handler *messageHandler           // nil until Handle is called; guarded by mu
	engine  atomic.Pointer[wire.Conn] // nil until the handshake is done; stored under mu

	mu      sync.Mutex          // guards all below
	abandon context.CancelFunc  // ends the handshake; nil: there is none to end
	agreed  agreement           // valid once there is an engine
	end     *outcome            // nil until all has ended; without an engine: of the handshake
	opened  *promise[Opened]    // nil until Opened is called
	closed  *promise[CloseInfo] // nil until Closed is called
	ending  *ending             // nil until Context is called
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

// URL returns the address of the connection, with the scheme ws or wss and without credentials. A
// URL that Dial could not use is returned as it was given, without the part before its last @.
func (c *Conn) URL() string { return c.url }

// LocalAddr returns the transport's address at this end. Before the handshake is done, and where
// the transport has no address, it returns the URL, as an address of the network "websocket".
func (c *Conn) LocalAddr() net.Addr { return c.addr(net.Conn.LocalAddr) }

// RemoteAddr returns the transport's address at the peer's end, which may be a proxy's. Before the
// handshake is done, and where the transport has no address, it returns the URL, as an address of
// the network "websocket".
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

// Opened settles when the handshake is done. Its error is a *HandshakeError if the handshake
// failed. If Dial's context ended first, it is the cause of that. If the URL or an option was bad,
// it is a plain error. For a Conn of Accept or AcceptConn it is settled already.
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

// Closed settles when the transport is closed and the ends of both streams are decided. After a
// clean close its value is the peer's code and reason. After an unclean end its error is an *Error.
// After a failed handshake its error is that of Opened. The table of ends in the package
// documentation lists all cases.
//
// While no call pulls, a lost peer is noticed as long as there is read credit. Behind a full
// window, it is noticed by the next Pull, by the error of a write, or by CloseTimeout or
// ReadStallTimeout. The other keepalive options notice it if the kernel reports an error.
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

// Readable returns the stream of the peer's messages. It exists before the handshake is done: its
// calls wait for the handshake.
func (c *Conn) Readable() *Readable { return &c.readable }

// Writable returns the stream of messages to the peer. It exists before the handshake is done: its
// calls wait for the handshake.
func (c *Conn) Writable() *Writable { return &c.writable }

// Duplex returns both streams, for functions that take them together.
func (c *Conn) Duplex() stream.Duplex[Message, Message] {
	return stream.Duplex[Message, Message]{Readable: &c.readable, Writable: &c.writable}
}

// Close starts the closing handshake and does not wait for it. Writes fail with ErrClosed from now
// on, also those that wait. What was accepted is sent, then a Close frame with info. Messages that
// come before the peer's Close can still be pulled. The end is io.EOF if the peer's Close has 1000,
// no code or the code of info. Otherwise it is an *Error with the peer's code. All that happens
// within CloseTimeout.
//
// While no call pulls, the input is read only as far as there is read credit. So the peer's Close
// is not seen behind a full window of unread messages, and the end is 1006 after CloseTimeout.
// Shutdown, Cancel and CloseNow need no reader.
//
// If info has a code or a reason that must not be sent, Close returns an error and leaves the
// connection as it was. Otherwise it returns nil, in every state. If either side has already
// decided to close, Close changes nothing. During the handshake Close abandons the handshake.
//
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

// Shutdown closes as Close does, discards the input that still comes, and waits for the end. It
// returns nil if a Pull would return io.EOF, and otherwise the error of that Pull. Such an error
// means an unclean end, or a code of the peer that is not ours. If ctx ends first, Shutdown cuts
// the connection and returns context.Cause(ctx).
func (c *Conn) Shutdown(ctx context.Context, info CloseInfo) error {
	if err := c.Close(info); err != nil {
		return err
	}
	if w := c.engine.Load(); w != nil {
		w.Discard()
	}
	closed := c.Closed()
	_, _ = closed.Wait(ctx) // its error may be that of ctx: the end is looked up below
	if _, err, settled := closed.Peek(); settled {
		if w := c.engine.Load(); w != nil {
			return w.End()
		}
		return err
	}
	c.CloseNow()
	return context.Cause(ctx)
}

// CloseNow cuts the connection and does not wait for the peer. Unread messages are dropped. Streams
// and futures that have not ended end with an *Error of code 1006. No Close frame is sent, unless
// one is already queued behind what was accepted. After the end CloseNow only drops unread
// messages.
//
// Before the cut, CloseNow gives the kernel as much of the accepted output as the kernel takes
// without waiting. It does so on TCP and unix sockets, and on TLS over TCP on Linux. If the peer
// goes on sending, its kernel may still drop that output. Shutdown avoids this.
func (c *Conn) CloseNow() {
	if w := c.orAbandon(errHandshakeClosed); w != nil {
		w.CloseNow()
	}
}

// Ping sends a ping and waits for its pong. It returns the round trip: the time from when the
// transport had taken the ping until the pong was read. Calls share a ping that the transport has
// not been given yet. So the peer answers after the call began.
//
// No call has to pull meanwhile. But the pong waits behind other input: while ReadWindow is full
// and no call pulls, it is not read. If the peer is a Conn from which no goroutine has pulled
// lately, it may take 10 ms to read the ping.
//
// If ctx ends, Ping returns its cause, and nothing else changes. After the end it returns the error
// of a Pull, and ErrClosed where that is io.EOF. Before opening it waits for the handshake.
//
// RFC 6455, section 5.5.2.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	w, err := c.wait(ctx)
	if err != nil {
		return 0, err
	}
	return w.Ping(ctx)
}
