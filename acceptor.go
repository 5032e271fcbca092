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

// An Acceptor accepts connections and knows those that have not ended, so that a server can close
// them properly. (http.Server.Shutdown ignores connections that were hijacked.) The zero value is
// ready to use. All methods may be called concurrently. An Acceptor must not be copied.
type Acceptor struct {
	// Options are those of each connection. They must not be changed once there is one.
	Options AcceptOptions

	mu      sync.Mutex         // guards all below; locked before the lock of a Conn
	conns   map[*Conn]struct{} // those that have not ended
	shut    bool
	serving int           // functions of Handlers that have not returned
	leaving int           // those of them that are inside Shutdown
	changed chan struct{} // closed when a number falls; nil while no Shutdown waits
}

// Accept is the function [Accept] with the Acceptor's Options. After Shutdown the client gets 503.
func (a *Acceptor) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return accept(w, r, &a.Options, a)
}

// AcceptConn is the function [AcceptConn] with the Acceptor's Options. After Shutdown the client
// gets 503.
func (a *Acceptor) AcceptConn(ctx context.Context, nc net.Conn) (*Conn, error) {
	return acceptConn(ctx, nc, &a.Options, a)
}

// Handler is the function [Handler] with the Acceptor's Options. Shutdown waits for serve to
// return.
func (a *Acceptor) Handler(serve func(conn *Conn, r *http.Request) error) http.Handler {
	return newHandler(serve, &a.Options, a)
}

// Len returns the number of connections that All yields.
func (a *Acceptor) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// All yields the connections that exist when the loop begins, in no order. A connection exists from
// when it is answered with 101 until Closed settles. The loop may call anything.
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

// Shutdown closes all connections with 1001, as Conn.Close does. It waits until all have ended,
// cleanly or not, and then until the functions of the Acceptor's Handlers have returned. New
// connections get 503 from now on. What was accepted is sent. What clients send before their Close
// can be pulled. CloseTimeout limits the time for that. Pulls and Writes end with an *Error of code
// 1001, which says that the server is shutting down.
//
// If ctx ends first, Shutdown cuts the connections that are left. It returns context.Cause(ctx) and
// does not wait for the functions: call it again for that.
//
// Shutdown waits only for the connections of handlers that call Accept, and not for the handlers.
// It closes no listener: http.Server.Shutdown does. http.Server.Shutdown neither closes nor waits
// for a connection that has become a WebSocket. If clients need more than the code 1001, first send
// a message to each connection of All.
//
// Shutdown may be called again. It may also be called from a Handler's function with the context of
// its request. Then it does not wait for that function, and its wait continues when the function's
// own connection has ended.
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
		goAway(c) // opened does this for a connection that is not open yet
	}
	noConns := func() bool { return len(a.conns) == 0 }
	if a.await(ctx, noConns) && a.await(ctx, func() bool { return a.idleLocked(v) }) {
		return nil
	}
	for c := range a.All() {
		c.CloseNow()
	}
	cut, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	a.await(cut, noConns) // a cut waits for no peer, but the transport's Close may block
	return context.Cause(ctx)
}

// idleLocked reports whether Shutdown need not wait for any function of a Handler. v is the visit
// that calls Shutdown, or nil. Functions that are inside Shutdown do not wait for each other.
func (a *Acceptor) idleLocked(v *visit) bool {
	if v != nil {
		return a.serving == a.leaving
	}
	return a.serving == 0
}

// await waits until done returns true, and reports false if ctx ends first. mu is held while done
// is called.
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

// wakeLocked wakes the calls of await.
func (a *Acceptor) wakeLocked() {
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

// end notes that the function of v has returned.
func (a *Acceptor) end(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serving--
	if v.over = true; v.leaving > 0 {
		a.leaving--
	}
	a.wakeLocked()
}

// stay notes that v has left Shutdown.
func (a *Acceptor) stay(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v.leaving--; v.leaving == 0 && !v.over {
		a.leaving--
	}
}

// goAway closes a connection because the server stops.
//
// RFC 6455, section 7.4.1.
func goAway(c *Conn) {
	if w := c.engine.Load(); w != nil {
		w.GoAway(wire.CloseInfo{Code: wire.CodeGoingAway, Reason: errShutdown.Error()}, errShutdown)
	}
}

// refuse admits no connection from now on. It notes that v is inside Shutdown, if it is not nil.
func (a *Acceptor) refuse(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shut = true
	if v == nil {
		return
	}
	if v.leaving++; v.leaving == 1 && !v.over {
		a.leaving++
		a.wakeLocked()
	}
}

// take admits a connection that is about to be answered. It reports false after Shutdown.
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

// opened closes a connection that was admitted before Shutdown and opened after it.
func (a *Acceptor) opened(c *Conn) {
	a.mu.Lock()
	shut := a.shut
	a.mu.Unlock()
	if shut {
		goAway(c)
	}
}

// forgetLocked removes a connection that has ended.
func (a *Acceptor) forgetLocked(c *Conn) {
	delete(a.conns, c)
	a.wakeLocked()
}
