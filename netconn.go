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

// ErrMessageType is the error of a NetConn's Read when the peer has sent a message of the other
// type.
var ErrMessageType = errors.New("wsstream: message of the wrong type on a NetConn")

// NetConn returns conn as a net.Conn, a stream of bytes, for code that only takes a net.Conn. Do
// not pull from conn directly any more: that takes bytes out of the stream. conn may be connecting:
// calls wait for its handshake. t is TypeText or TypeBinary, or NetConn panics. Most programs need
// TypeBinary.
//
// Each Write sends one message of type t. It returns when the unsent output fits WriteWindow, as
// Writable.Write does. On a NetConn of text, each Write must be UTF-8 by itself. A Write that ends
// inside a character is an error, and nothing is sent.
//
// Read hides where messages begin and end, and skips empty ones. A message is read as it comes and
// may have any length: ReadWindow limits how much of it is buffered, and MaxMessageSize does not
// apply. At the end Read returns the error of NextMessage: io.EOF if the peer said that it was
// done, and otherwise an *Error. If the end comes in the middle of a message, the error is or wraps
// io.ErrUnexpectedEOF, or is the *Error of an unclean end. A message of the other type closes the
// connection with 1003. From then on Reads fail with an error that wraps ErrMessageType.
//
// When a deadline passes, waiting calls end with os.ErrDeadlineExceeded, and so do new ones until
// the deadline is moved. The connection continues: such a Read has consumed nothing, and such a
// Write has sent nothing. A Write that was admitted before its deadline is sent whole and succeeds.
//
// Close closes with 1000. Waiting calls and later ones fail with net.ErrClosed. What was accepted
// is sent, and input that still comes is dropped. Close waits for the end, within CloseTimeout, and
// returns its error. Nil says that the peer has answered. One half cannot be closed alone:
// WebSocket has no such close.
//
// All methods may be called concurrently. Reads are served in the order they came, and so are
// Writes.
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

// A netConn is a Conn as a net.Conn. It uses NextMessage and Write, and buffers nothing itself.
type netConn struct {
	conn            *Conn
	typ             Type
	readBy, writeBy alarm
	closed          atomic.Bool

	reading *gate.Gate
	// The goroutine that holds reading owns these.
	call    callContext    // of the Read under way
	message *MessageReader // nil between messages
	failed  error          // a message of the other type came
}

// Read reads from the messages, one after the other.
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

// next waits for a message, unless one is being read.
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
	reason := "only " + n.typ.String() + " messages are read here"
	_ = n.conn.readable.Cancel(&Error{ // returns nil
		CloseInfo: CloseInfo{Code: 1003, Reason: reason},
		Err:       n.failed,
	})
	return n.failed
}

// Write sends p as one message.
func (n *netConn) Write(p []byte) (int, error) {
	m := Message{Type: n.typ, Data: p}
	if err := n.conn.writable.Write(n.writeBy.current(), m); err != nil {
		return 0, n.orClosed(err)
	}
	return len(p), nil
}

// orClosed returns the error of a call. After Close it is net.ErrClosed, whatever err is.
func (n *netConn) orClosed(err error) error {
	if n.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// Close closes with 1000 and waits for the end.
func (n *netConn) Close() error {
	n.closed.Store(true)
	_ = n.conn.readable.Cancel(&Error{CloseInfo: CloseInfo{Code: 1000}}) // returns nil
	n.readBy.set(time.Time{})
	n.writeBy.set(time.Time{})
	_, err := n.conn.Closed().Wait(context.Background()) // within CloseTimeout
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
