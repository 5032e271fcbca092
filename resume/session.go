package resume

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Session is a connection that survives its WebSocket connections: two streams, and two futures.
// All methods may be called concurrently, in every state. End it with Shutdown, and with a deferred
// CloseNow in every case.
type Session struct {
	config
	id     sessionID
	client bool
	opened *stream.Future[Opened]
	closed *stream.Future[wsstream.CloseInfo]
	ctx    context.Context
	over   chan struct{} // closed when the session has ended, in order or not

	settleOpened func(Opened, error) bool
	settleClosed func(wsstream.CloseInfo, error) bool
	endContext   context.CancelCauseFunc

	patience    context.Context // ends when the last closing handshake may be cut
	endPatience context.CancelFunc

	in   receiver
	out  sender
	peer atomic.Pointer[wsstream.CloseInfo] // of the peer's END; nil: none yet
	own  atomic.Pointer[wsstream.CloseInfo] // of ours

	// The locks are taken in this order: out.mu, mu, in.mu.
	mu      sync.Mutex
	link    *link       // the connection, from its greeting on; nil: none
	last    *link       // the last one
	leaving []*link     // those that were taken over and have not ended, oldest first
	failure error       // why the session ended; nil: in order, or not at all
	away    time.Time   // since when there is no link
	lastErr error       // of the last connection, or of the last attempt
	timer   *time.Timer // calls expire; runs while there is no link
	ending  *time.Timer // ends the session; runs from our END to the end
	resumed int         // how often a connection was resumed
}

// An Opened is the result of the first greeting.
type Opened struct {
	Readable *Readable // the session's, as from Session.Readable
	Writable *Writable // the session's, as from Session.Writable
}

// A link is one connection of a session.
type link struct {
	conn *wsstream.Conn
	gone chan struct{} // closed when the session has let go of it
	err  error         // why; valid once gone is closed
	told chan struct{} // closed when its hooks have returned
	last *link         // the one before; nil: none, or its hooks have returned
}

func newLink(conn *wsstream.Conn) *link {
	return &link{conn: conn, gone: make(chan struct{}), told: make(chan struct{})}
}

func newSession(c config, id sessionID) *Session {
	s := &Session{config: c, id: id, over: make(chan struct{})}
	s.opened, s.settleOpened = stream.NewFuture[Opened]()
	s.closed, s.settleClosed = stream.NewFuture[wsstream.CloseInfo]()
	s.ctx, s.endContext = context.WithCancelCause(context.Background())
	s.patience, s.endPatience = context.WithCancel(context.Background())
	s.in.session, s.in.done = s, make(chan struct{})
	s.out.session, s.out.done = s, make(chan struct{})
	s.mu.Lock() // expire may run immediately
	defer s.mu.Unlock()
	s.away = time.Now()
	s.timer = time.AfterFunc(c.awayTimeout, s.expire)
	return s
}

// Opened settles when the first connection has opened, or with the session's end before that.
func (s *Session) Opened() *stream.Future[Opened] { return s.opened }

// Closed settles when the session has ended. It has the peer's code and reason if both sides have
// acknowledged everything, and otherwise the error. 1005 means that the peer gave no code.
func (s *Session) Closed() *stream.Future[wsstream.CloseInfo] { return s.closed }

// Readable returns the stream of messages from the peer.
func (s *Session) Readable() *Readable { return (*Readable)(s) }

// Writable returns the stream of messages to the peer.
func (s *Session) Writable() *Writable { return (*Writable)(s) }

// Duplex returns both streams.
func (s *Session) Duplex() stream.Duplex[wsstream.Message, wsstream.Message] {
	return stream.Duplex[wsstream.Message, wsstream.Message]{
		Readable: s.Readable(), Writable: s.Writable(),
	}
}

// Context returns a context that ends with the session. Its cause is the session's error, or
// wsstream.ErrClosed. Calls on the session with it return what is left, and then the end.
func (s *Session) Context() context.Context { return sessionContext{s.ctx, s} }

// Conn returns the connection that the session has now, or nil while it has none. It is for
// information, such as RemoteAddr and Stats. A message that is written to it, or pulled from it,
// breaks the session.
func (s *Session) Conn() *wsstream.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil
	}
	return s.link.conn
}

// RemoteAddr returns the address of the peer of the connection that the session has now, or nil.
func (s *Session) RemoteAddr() net.Addr {
	if c := s.Conn(); c != nil {
		return c.RemoteAddr()
	}
	return nil
}

// Resumed returns how many connections have continued the session after its first.
func (s *Session) Resumed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resumed
}

// Close begins to end the session in order, and does not wait. What was accepted is sent, then i.
// Later Writes fail with wsstream.ErrClosed. Messages from the peer can still be pulled.
func (s *Session) Close(i wsstream.CloseInfo) error {
	i, err := checkInfo(i)
	if err != nil {
		return err
	}
	s.out.finish(i, wsstream.ErrClosed, false)
	s.abandonOpening()
	return nil
}

// abandonOpening ends a client's session that was never opened. It has accepted no message.
func (s *Session) abandonOpening() {
	if s.client && !s.out.greeted() {
		s.fail(errAbandoned, codeAbandoned)
	}
}

// Shutdown is Close, and waits for the end. It returns nil if all was acknowledged and the peer was
// done, and otherwise the error of a Pull. If ctx ends, only the wait ends.
func (s *Session) Shutdown(ctx context.Context, i wsstream.CloseInfo) error {
	if err := s.Close(i); err != nil {
		return err
	}
	return s.await(ctx)
}

// await waits for the end.
func (s *Session) await(ctx context.Context) error {
	if _, err := s.closed.Wait(ctx); err != nil {
		return err
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.result
}

// CloseNow ends the session immediately. If there is a connection, it tells the peer, whose session
// ends, too. Otherwise the peer waits until its AwayTimeout. If the session has ended in order,
// CloseNow cuts the closing handshake that Closed waits for.
func (s *Session) CloseNow() {
	s.fail(errAbandoned, codeAbandoned)
	if s.ended() == nil {
		s.endPatience()
	}
}

type sessionContext struct {
	context.Context // the session's
	s               *Session
}

type sessionKey struct{}

// Value returns the session for its own key.
func (c sessionContext) Value(key any) any {
	if key == (sessionKey{}) {
		return c.s
	}
	return c.Context.Value(key)
}

// isOwn reports whether ctx is the Context of s or made from it, and has ended because s has.
func (s *Session) isOwn(ctx context.Context) bool {
	own, _ := ctx.Value(sessionKey{}).(*Session)
	return own == s && s.isOver()
}

// ended returns the error of a session that has ended, or nil if it ended in order.
func (s *Session) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

func (s *Session) isOver() bool { return isDone(s.over) }

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
