package wsstream

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wsstream/wsstream/internal/lasting"
	"github.com/wsstream/wsstream/internal/wire"
)

var errShutdown = errors.New("the server is shutting down")

// An Acceptor accepts connections and knows those that have not ended, so that a server can close them in order:
// http.Server.Shutdown forgets connections that were taken over. The zero value is ready to use. All methods may be
// called at once from any number of goroutines; an Acceptor is not copied.
type Acceptor struct {
	// Options are those of each connection. They are not changed once there is one.
	Options AcceptOptions

	mu      sync.Mutex
	conns   map[*Conn]struct{} // those whose end has not come; guarded by mu, as is all below
	shut    bool
	serving int           // functions of Handlers that have not returned
	leaving int           // those of them that are inside Shutdown
	changed chan struct{} // closed when one of these falls; nil while no Shutdown waits for that
}

// Accept does what the function Accept does, with the Acceptor's Options. After Shutdown the client gets 503.
func (a *Acceptor) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return accept(w, r, &a.Options, a)
}

// AcceptConn does what the function AcceptConn does, with the Acceptor's Options. After Shutdown the client gets 503.
func (a *Acceptor) AcceptConn(ctx context.Context, nc net.Conn) (*Conn, error) {
	return acceptConn(ctx, nc, &a.Options, a)
}

// Handler does what the function Handler does, with the Acceptor's Options. Shutdown waits for serve to return.
func (a *Acceptor) Handler(serve func(conn *Conn, r *http.Request) error) http.Handler {
	return newHandler(serve, &a.Options, a)
}

// Len returns how many connections there are, as All yields them.
func (a *Acceptor) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// All yields the connections that there are when the loop begins, in no order: from when they are answered with 101
// until Closed settles. The loop may call anything.
func (a *Acceptor) All() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		a.mu.Lock()
		conns := slices.Collect(maps.Keys(a.conns))
		a.mu.Unlock()
		for _, c := range conns {
			if !yield(c) {
				return
			}
		}
	}
}

// Shutdown closes all connections with 1001, as Conn.Close does, and waits until all have ended, well or not, and then
// until the functions of the Acceptor's Handlers have returned; new connections get 503 from here on. What was accepted
// is sent, and what clients send before their Close can be pulled; the time for that is CloseTimeout's. Pulls and Writes
// end with an *Error of code 1001 that says that the server is shutting down. If ctx ends first, Shutdown cuts the
// connections that are left, and returns context.Cause(ctx) without waiting for the functions: call it again for that.
//
// Handlers that call Accept are not waited for, only their connections, and listeners are not closed: that is for
// http.Server.Shutdown, which in turn neither closes nor waits for what has become a WebSocket. To say more than 1001,
// send it to All before. Shutdown may be called again, and from a Handler's function with the context of its request:
// then it does not wait for that function, and its wait goes on when the function's own connection has ended.
func (a *Acceptor) Shutdown(ctx context.Context) error {
	ctx, done := lasting.For(ctx)
	defer done()
	v, _ := ctx.Value(visitKey{}).(*visit)
	if v != nil && v.acceptor == a {
		defer a.stay(v)
	} else {
		v = nil
	}
	a.refuse(v)
	for c := range a.All() {
		goAway(c) // one that is not open yet is seen to by opened
	}
	if a.await(ctx, func() bool { return len(a.conns) == 0 }) && a.await(ctx, func() bool { return a.idle(v) }) {
		return nil
	}
	for c := range a.All() {
		c.CloseNow()
	}
	cut, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	a.await(cut, func() bool { return len(a.conns) == 0 }) // a cut waits for no peer, but a transport may hold it up
	return context.Cause(ctx)
}

// idle reports whether no function of a Handler is waited for: of those inside Shutdown one waits for no other. It
// expects mu to be held.
func (a *Acceptor) idle(v *visit) bool {
	if v != nil {
		return a.serving == a.leaving
	}
	return a.serving == 0
}

// await waits until done, which is called with mu held, and reports false if ctx ends before.
func (a *Acceptor) await(ctx context.Context, done func() bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !done() {
		if ctx.Err() != nil {
			return false
		}
		if a.changed == nil {
			a.changed = make(chan struct{})
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		a.mu.Lock()
	}
	return true
}

// fell wakes those that wait. It expects mu to be held.
func (a *Acceptor) fell() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// begin counts a function of a Handler.
func (a *Acceptor) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serving++
}

// end says that the function has returned.
func (a *Acceptor) end(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serving--
	if v.over = true; v.leaving > 0 {
		a.leaving--
	}
	a.fell()
}

// stay says that a visit has left Shutdown.
func (a *Acceptor) stay(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v.leaving--; v.leaving == 0 && !v.over {
		a.leaving--
	}
}

// goAway closes a connection because the server stops (RFC 6455, section 7.4.1).
func goAway(c *Conn) {
	if w := c.engine.Load(); w != nil {
		w.GoAway(wire.CloseInfo{Code: wire.CodeGoingAway, Reason: errShutdown.Error()}, errShutdown)
	}
}

// refuse lets no connection in from here on, and notes that a visit, if there is one, is inside Shutdown.
func (a *Acceptor) refuse(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shut = true
	if v == nil {
		return
	}
	if v.leaving++; v.leaving == 1 && !v.over {
		a.leaving++
		a.fell()
	}
}

// take lets in a connection that is about to be answered, unless the Acceptor was shut.
func (a *Acceptor) take(c *Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.shut {
		return false
	}
	if a.conns == nil {
		a.conns = map[*Conn]struct{}{}
	}
	a.conns[c] = struct{}{}
	c.acceptor = a
	return true
}

// opened looks after a connection that came in before the Acceptor was shut, and opened after it.
func (a *Acceptor) opened(c *Conn) {
	a.mu.Lock()
	shut := a.shut
	a.mu.Unlock()
	if shut {
		goAway(c)
	}
}

// leave lets a connection go whose end has come. Locks of the connection may be held.
func (a *Acceptor) leave(c *Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
	a.fell()
}
