package wsstream

import (
	"fmt"
	"time"
)

// A Trace is a set of hooks that are called as things happen on a connection, in the manner of net/http/httptrace.
// Any of them may be nil. One Trace may serve any number of connections, at once: its hooks are told whose event it
// is, and its fields must not be changed once it is in use. For figures to be read now and then, a [Meter] costs less.
//
// Hooks run on the goroutine on which the thing happens, which waits for them: they must not wait. What a hook may call
// it says: no lock of the Conn is held, unless it says otherwise.
type Trace struct {
	// Handshake is called when an opening handshake starts, in Dial, Accept or AcceptConn; client tells whether it is
	// Dial's. Bad URLs and options start none. The function that it returns, which may be nil, is called once, when
	// that handshake is done: with err nil and what Opened has settled with (what waited for Dial's goes on meanwhile),
	// on the goroutine of Accept, AcceptConn or Dial's handshake; or with an empty Opened and the error of Opened. c is
	// nil where Accept or AcceptConn failed: there is no Conn then. Both may call any method that does not wait.
	Handshake func(client bool) (done func(c *Conn, o Opened, err error))

	// MessageIn is called when a message was received whole, with its type and the bytes of its payload: before Pull,
	// PullInto or All return it, or before a MessageReader's Read returns io.EOF. So it is called for those messages
	// that Stats counts. It runs on the caller's goroutine, may call any method, and must not pull from within.
	MessageIn func(c *Conn, t Type, bytes int64)

	// MessageOut is called when a message was accepted: before Write returns nil, TryWrite true or a MessageWriter's
	// Close nil. It runs on the caller's goroutine, and may call any method that does not wait, but write nothing.
	MessageOut func(c *Conn, t Type, bytes int64)

	// StallBegan is called when the credit of a direction is spent, and StallEnded, with how long that took, when there
	// is some again: they take turns, first the one, then the other. Inbound that says that nobody pulls as fast as the
	// peer sends, outbound that the transport takes less than is written. A stall that has begun ends with the
	// connection, or, inbound, when what was left unread is pulled or dropped. A full window is all it takes, so a fast
	// writer stalls thousands of times a second; each for microseconds.
	//
	// They run on whichever goroutine took or gave the credit, yours or the Conn's own, and so that their order is
	// that of the events the Conn is locked: of its methods they may call URL, LocalAddr and RemoteAddr, no others, and
	// none of its Meter.
	StallBegan func(c *Conn, d Direction)
	StallEnded func(c *Conn, d Direction, took time.Duration)

	// Closed is called once for each Conn that had opened, with what Closed has settled with. It runs on a goroutine of
	// its own, at any time after that, and may call all and wait. Messages that came before the end may be pulled, and
	// so be MessageIn, later. A Conn that the program forgets without having ended it may be collected as garbage is: its
	// transport is closed then, and Closed is not called.
	Closed func(c *Conn, info CloseInfo, err error)
}

// A Direction is one of the two ways that messages go.
type Direction uint8

// The directions, as seen from the Conn.
const (
	Inbound  Direction = 1 // from the peer to the Readable
	Outbound Direction = 2 // from the Writable to the peer
)

// String returns the direction's name.
func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// stalls returns what the engine calls when the credit of d is spent, or is back; nil if nobody wants to know.
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
