// Package work is what the process of a library does: one job, with one library, for as long as the
// process lives.
package work

import (
	"fmt"
	"slices"
	"time"

	"github.com/wsstream/wsstream/bench/internal/library"
)

// The shapes of jobs.
const (
	Echo   = "echo"   // answer each message with the same
	Source = "source" // send as fast as it goes, on each connection
	Sink   = "sink"   // receive as fast as it comes
	Both   = "both"   // source and sink concurrently
	Hold   = "hold"   // keep the connections, without a reader
	Wait   = "wait"   // keep the connections, with a read waiting on each
	Room   = "room"   // send to all connections at a pace, when told to go
	Relay  = "relay"  // pass on what comes on the second connection to the first
)

// A Job is what the library's process is told to do.
type Job struct {
	Library string // as in library.All, or in library.WsstreamCalls
	Shape   string
	Size    int // of the messages that it sends, in bytes

	Dial string // the address of the peer, for a client; else it serves
	Bare bool   // serve without net/http
	TLS  bool   // serve behind TLS

	Way   string // of a Room or a Relay
	Limit int64  // stop sending when the process has grown by so many bytes; 0: none

	// Buffer is the size of the sockets' send buffers, in bytes, where less than the kernel's choice
	// is wanted.
	Buffer int
}

// library finds the job's library.
func (j Job) library() (library.Library, error) {
	for _, l := range slices.Concat(library.All, library.WsstreamCalls) {
		if l.Name == j.Library {
			return l, nil
		}
	}
	return library.Library{}, fmt.Errorf("no library %q", j.Library)
}

// A Pace says how a room publishes.
type Pace struct {
	Rate  float64 // in messages a second
	Count int64   // so many; 0: until Stop
}

// A State is how far a job is.
type State struct {
	In, Out int64         // messages received and sent
	Conns   int64         // opened
	Dropped int64         // messages that a room decided not to send
	Began   time.Duration // when the last Pace began, on the machine's clock
	Stopped bool          // the process has grown beyond the job's limit
	Wrong   bool          // a message came that was not as long as the job's are
}
