package memnet

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// A Listener is a [net.Listener] whose connections come from its Dial. An http.Server can serve on
// it. All methods may be called concurrently.
type Listener struct {
	// Limit limits the bytes that each direction of a connection holds. If zero or negative,
	// [DefaultLimit]. Set it before the first Dial.
	Limit int

	mu      sync.Mutex
	changed sync.Cond
	queue   []*Conn // dialled and not accepted; guarded by mu
	dialled int     // guarded by mu
	closed  bool    // guarded by mu
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a Listener without connections.
func Listen() *Listener {
	l := new(Listener)
	l.changed.L = &l.mu
	return l
}

// Dial returns one end of a new connection, a [*Conn], and leaves the other end for Accept. It
// never waits: as with TCP, the connection is there before it is accepted. It fails if ctx has
// ended. It fails with ECONNREFUSED if the listener was closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return nil, l.fail("dial", context.Cause(ctx))
	}
	if l.closed {
		return nil, l.fail("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	l.dialled++
	client, server := pipe(l.Limit, addr(fmt.Sprintf("mem:%d", l.dialled)), l.addr())
	l.queue = append(l.queue, server)
	l.changed.Signal()
	return client, nil
}

// Accept waits for a Dial, and returns the other end of its connection, a [*Conn]. Connections come
// in the order they were dialled. Accept fails with [net.ErrClosed] once the listener is closed.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, l.fail("accept", net.ErrClosed)
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

// Close ends Accept and Dial, and cuts the connections that were not accepted. A second Close is an
// error.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.fail("close", net.ErrClosed)
	}
	l.closed = true
	for _, c := range l.queue {
		c.Cut()
	}
	l.queue = nil
	l.changed.Broadcast()
	return nil
}

// Addr returns the name of the ends that Accept returns.
func (l *Listener) Addr() net.Addr { return l.addr() }

func (l *Listener) addr() addr { return "mem:0" }

func (l *Listener) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: l.addr().Network(), Addr: l.addr(), Err: err}
}
