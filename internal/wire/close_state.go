package wire

import (
	"cmp"
	"time"

	"github.com/wsstream/wsstream/internal/latch"
)

// An ending is how far the end of a Conn has come.
type ending struct {
	known   *endState // guarded by mu; nil until there is something to know
	streams *Ends
	done    latch.Latch // closed when all has ended: the transport, too
}

// An endState is what is known of a connection's end. mu guards it.
type endState struct {
	read, write error // the final error of each stream; nil until it is decided
	verdict     error // of pulls, if a message left unread at the end proves invalid; else nil

	by          party     // the party that decided to close first
	away        error     // the end of both streams if the library decided to close; else nil
	decided     bool      // we have decided to close, or to answer the peer's Close
	ourClose    CloseInfo // what our Close carries
	closeQueued bool      // our Close is in the outbox: nothing follows it
	closeLeft   bool      // the transport has taken it
	aborted     bool      // what was accepted is dropped on purpose
	failed      bool      // the writable was ended in order, with a cause

	peerClose *CloseInfo // the peer's Close; nil until it came
	torn      bool       // it came between the frames of a message
	emptied   bool       // it came last, in a read that has just taken all that there was
	breach    error      // a broken rule, which takes effect once what came before it was pulled
	broken    error      // the broken rule for which we close
	lost      error      // the transport's error, of the input
	stuck     error      // the transport's error, of the output
	unsent    bool       // messages that were accepted will not be sent

	timer    *time.Timer
	late     bool // the time for closing is over
	leaving  bool // CloseNow gives the transport what it takes: nothing more is accepted
	cut      bool // the connection was cut, by CloseNow for one
	draining bool // both Close frames have passed: the server has a second to drop the transport
	over     bool // all has ended
	info     CloseInfo
	err      error // of Closed
	coded    error // what outcomeLocked made of the peer's code; one for all calls
}

// A party is a side that can decide to close. The first decision counts.
type party uint8

const (
	undecided party = iota
	byLibrary       // a shutdown, or a time that is over
	byProgram       // Close, CloseWrite, Fail, Abort or Cancel
	byPeer          // its Close came before any decision of ours
)

// noEnd is the state of all Conns about whose end nothing is known yet. It is never written to.
var noEnd endState

// facts returns what is known, for reading.
func (e *ending) facts() *endState {
	if e.known == nil {
		return &noEnd
	}
	return e.known
}

// note returns the Conn's own state, for an event to note what it knows.
func (e *ending) note() *endState {
	if e.known == nil {
		e.known = new(endState)
	}
	return e.known
}

// readEnd returns the end of pulls, nil until it is decided.
func (c *Conn) readEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.facts()
	return cmp.Or(e.verdict, e.read)
}

// writeEnd returns the end of the writable, nil until it is decided.
func (c *Conn) writeEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.facts().write
}
