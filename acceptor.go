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

	"github.com/wsstream/wsstream/internal/wire"
)

var errShutdown = errors.New("the server is shutting down")

// An Acceptor accepts connections and knows those that have not ended, so that a server can close them in order:
// http.Server.Shutdown forgets connections that were taken over. The zero value is ready to use. All methods may be
// called at once from any number of goroutines; an Acceptor is not copied.
type Acceptor struct {
	// Options are those of each connection. They are not changed once there is one.
	Options AcceptOptions

	mu    sync.Mutex
	conns map[*Conn]struct{} // those whose end has not come; guarded by mu, as the next two
	shut  bool
	empty chan struct{} // nil until Shutdown; closed when there are no conns after it
}

// Accept does what the function Accept does, with the Acceptor's Options. After Shutdown the client gets 503.
func (a *Acceptor) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return accept(w, r, &a.Options, a)
}

// AcceptConn does what the function AcceptConn does, with the Acceptor's Options. After Shutdown the client gets 503.
func (a *Acceptor) AcceptConn(ctx context.Context, nc net.Conn) (*Conn, error) {
	return acceptConn(ctx, nc, &a.Options, a)
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

// Shutdown closes all connections with 1001, as Conn.Close does, and waits until all have ended, well or not; new ones
// get 503 from here on. What was accepted is sent, and what clients send before their Close can be pulled; the time for
// that is CloseTimeout's. If ctx ends first Shutdown cuts those that are left, and returns context.Cause(ctx).
//
// It does not wait for handlers, only for their connections, nor does it close listeners: http.Server.Shutdown does
// both. To say more than 1001, send it to All before. Shutdown may be called again.
func (a *Acceptor) Shutdown(ctx context.Context) error {
	empty := a.refuse()
	for c := range a.All() {
		if c.engine.Load() != nil {
			goAway(c)
		} // else opened does it
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	if a.Len() == 0 {
		return nil
	}
	for c := range a.All() {
		c.CloseNow()
	}
	<-empty // a cut does not wait for the peer
	return context.Cause(ctx)
}

// goAway closes a connection because the server stops (RFC 6455, section 7.4.1).
func goAway(c *Conn) {
	if w := c.engine.Load(); w != nil {
		w.GoAway(wire.CloseInfo{Code: wire.CodeGoingAway, Reason: errShutdown.Error()}, errShutdown)
	}
}

// refuse lets nobody in from here on, and returns what is closed when all have left.
func (a *Acceptor) refuse() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shut = true
	if a.empty == nil {
		a.empty = make(chan struct{})
		if len(a.conns) == 0 {
			close(a.empty)
		}
	}
	return a.empty
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
	if a.empty != nil && len(a.conns) == 0 {
		close(a.empty)
	}
}
