package wsstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/internal/gate"
)

// ErrMessageType is what a NetConn's Read fails with when the peer has sent a message of the other type.
var ErrMessageType = errors.New("wsstream: message of the wrong type on a NetConn")

// NetConn returns conn as a net.Conn, a stream of bytes, for what knows nothing of messages. It takes conn over: who
// pulls from it beside the NetConn takes bytes out of the stream. conn may be connecting; calls wait for its handshake.
// t is TypeText or TypeBinary, or NetConn panics; most want TypeBinary.
//
// Each Write sends one message of type t. It returns when what is unsent fits WriteWindow, as Writable.Write does. On a
// NetConn of text each Write is UTF-8 by itself: one that ends inside a character is an error, and nothing is sent.
//
// Read does not show where messages begin and end, and passes over empty ones. A message is read as it comes, whatever
// its length: ReadWindow bounds what is held of it, and MaxMessageSize has no say. At the end it gives what
// NextMessage does: io.EOF where the peer said that it was done, else an *Error; in the middle of a message the error is
// io.ErrUnexpectedEOF or wraps it, or is that of an unclean end. A message of the other type closes the connection with
// 1003, and Reads fail with an error that is ErrMessageType from then on.
//
// A deadline that passes ends waiting calls, and those made until it is moved, with os.ErrDeadlineExceeded, and the
// connection goes on: a Read has consumed nothing, a Write has sent nothing. A Write that was admitted before its
// deadline passed is sent whole and succeeds.
//
// Close closes with 1000: waiting calls and later ones fail with net.ErrClosed, what was accepted is sent, what still
// comes is dropped. It waits for the end, within CloseTimeout, and returns its error: nil says that the peer has
// answered. There is no way to close one half only: WebSocket has none.
//
// All methods may be called at once; Reads are served in the order they came, as Writes are.
func NetConn(conn *Conn, t Type) net.Conn {
	if err := t.check(); err != nil {
		panic(err)
	}
	return &netConn{
		conn:    conn,
		typ:     t,
		reading: gate.New(nil),
		readBy:  alarm{term: newTerm()},
		writeBy: alarm{term: newTerm()},
	}
}

type netConn struct {
	conn            *Conn
	typ             Type
	readBy, writeBy alarm
	closed          atomic.Bool

	reading *gate.Gate
	call    callContext    // of the Read under way; owned by the holder of reading, as the next two
	message *MessageReader // nil between messages
	failed  error          // a message of the other type came
}

func (n *netConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	call := n.readBy.current()
	if !n.reading.Lock(call) {
		return 0, n.orClosed(context.Cause(call))
	}
	defer n.reading.Unlock()
	n.call.call.Store(call)
	for {
		if err := n.next(); err != nil {
			return 0, n.orClosed(err)
		}
		got, err := n.message.Read(p)
		switch {
		case err == io.EOF: // of the message
			n.message = nil
		case err != nil:
			return 0, n.orClosed(err)
		default:
			return got, nil
		}
	}
}

// next waits for a message to read, unless there is one already.
func (n *netConn) next() error {
	if n.message != nil || n.failed != nil {
		return n.failed
	}
	m, err := n.conn.readable.NextMessage(&n.call)
	if err != nil {
		return err
	}
	if m.Type() == n.typ {
		n.message = m
		return nil
	}
	n.failed = fmt.Errorf("%w: it is %v, not %v", ErrMessageType, m.Type(), n.typ)
	_ = n.conn.readable.Cancel(&Error{ // returns nil
		CloseInfo: CloseInfo{Code: 1003, Reason: "only " + n.typ.String() + " messages are read here"},
		Err:       n.failed,
	})
	return n.failed
}

func (n *netConn) Write(p []byte) (int, error) {
	if err := n.conn.writable.Write(n.writeBy.current(), Message{Type: n.typ, Data: p}); err != nil {
		return 0, n.orClosed(err)
	}
	return len(p), nil
}

// orClosed returns what a call fails with: after Close it is net.ErrClosed, whatever err says.
func (n *netConn) orClosed(err error) error {
	if n.closed.Load() {
		return net.ErrClosed
	}
	return err
}

func (n *netConn) Close() error {
	n.closed.Store(true)
	_ = n.conn.readable.Cancel(&Error{CloseInfo: CloseInfo{Code: 1000}}) // returns nil
	n.readBy.set(time.Time{})
	n.writeBy.set(time.Time{})
	_, err := n.conn.Closed().Wait(context.Background()) // CloseTimeout bounds it
	return err
}

func (n *netConn) LocalAddr() net.Addr  { return n.conn.LocalAddr() }
func (n *netConn) RemoteAddr() net.Addr { return n.conn.RemoteAddr() }

func (n *netConn) SetDeadline(t time.Time) error {
	n.readBy.set(t)
	n.writeBy.set(t)
	return n.orClosed(nil)
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.readBy.set(t)
	return n.orClosed(nil)
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.writeBy.set(t)
	return n.orClosed(nil)
}
