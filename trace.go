package wsstream

import (
	"fmt"
	"time"
)

// A Trace is a set of hooks that are called as things happen on a connection, as in
// net/http/httptrace. Any of them may be nil. One Trace may serve any number of connections
// concurrently: each hook gets the Conn. The fields must not be changed while it is in use. For
// figures that are read now and then, a [Meter] costs less.
//
// Hooks run synchronously and must not block. No Conn lock is held while a hook runs, except for
// StallBegan and StallEnded. Each hook's comment lists the methods that it may call.
type Trace struct {
	// Handshake is called when an opening handshake starts, in Dial, Accept or AcceptConn. client
	// says that it is Dial's. A bad URL or option starts none. Handshake and done may call any
	// method that does not block.
	//
	// The done that it returns may be nil. It is called once, when that handshake is done. If it
	// succeeded, err is nil and o is the value of Opened. done then runs on the goroutine of
	// Accept, AcceptConn or Dial's handshake; calls that waited for Dial's handshake go on
	// meanwhile. If it failed, o is empty and err is the error of Opened. If Accept or AcceptConn
	// failed, c is nil: there is no Conn then.
	Handshake func(client bool) (done func(c *Conn, o Opened, err error))

	// MessageIn is called when a message was received whole, with its type and the bytes of its
	// payload. That is before Pull, PullInto or All return it, or before a MessageReader's Read
	// returns io.EOF. So it is called for the messages that Stats counts. It runs on the goroutine
	// of that call. It may call any method, but must not pull.
	MessageIn func(c *Conn, t Type, bytes int64)

	// MessageOut is called when a message was accepted: before Write returns nil, TryWrite true or
	// a MessageWriter's Close nil. It runs on the goroutine of that call. It may call any method
	// that does not block, but must not write.
	MessageOut func(c *Conn, t Type, bytes int64)

	// StallBegan is called when the credit of a direction is spent. Inbound, a stall says that the
	// program pulls more slowly than the peer sends. Outbound, it says that the transport takes
	// less than is written. Each time that a window is full is a stall. So a fast writer stalls
	// thousands of times a second, each time for microseconds.
	//
	// StallBegan and StallEnded run on the goroutine that took or gave the credit, the program's or
	// the Conn's own. The Conn is locked, so that their order is that of the events. They may call
	// URL, LocalAddr and RemoteAddr of the Conn, and no other method of it. They must not call the
	// Conn's Meter.
	StallBegan func(c *Conn, d Direction)

	// StallEnded is called when there is credit again. took is the time since StallBegan. The two
	// alternate. A stall ends at the latest with the connection, or, inbound, when the unread input
	// is pulled or dropped.
	StallEnded func(c *Conn, d Direction, took time.Duration)

	// Closed is called once for each Conn that had opened, with the result of Closed. It runs on a
	// goroutine of its own, at any time after that. It may call any method, and may block. Messages
	// that came before the end may be pulled after Closed was called, and then MessageIn is called
	// after it. The garbage collector may collect a Conn that the program forgets without ending
	// it. Its transport is closed then, and Closed is not called.
	Closed func(c *Conn, info CloseInfo, err error)
}

// A Direction is one of the two directions of messages.
type Direction uint8

// The directions, as seen from the Conn.
const (
	Inbound  Direction = 1 // from the peer to the Readable
	Outbound Direction = 2 // from the Writable to the peer
)

// String returns the name of the direction.
func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// stalls returns the function that the engine calls when the credit of d is spent or is back. It
// returns nil if there are no hooks.
func (t *Trace) stalls(c *Conn, d Direction) func(spent bool, took time.Duration) {
	if t == nil || t.StallBegan == nil && t.StallEnded == nil {
		return nil
	}
	return func(spent bool, took time.Duration) {
		switch {
		case spent && t.StallBegan != nil:
			t.StallBegan(c, d)
		case !spent && t.StallEnded != nil:
			t.StallEnded(c, d, took)
		}
	}
}
