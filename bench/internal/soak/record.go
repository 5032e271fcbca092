package soak

import (
	"slices"
	"sync"
	"time"
)

// A Record is what one side of a connection did and saw.
type Record struct {
	ID     uint64
	Side   Side
	Began  time.Duration // of the client, when it dialled; of the server, when it had accepted
	Open   time.Duration // when the handshake was done; 0 if it failed
	Ended  time.Duration
	Failed string // why the handshake failed

	// Away is when the client's connection before this one ended because of the server; 0 if it did
	// not.
	Away time.Duration

	Sent     uint64 // messages whose Write returned nil
	Tried    uint64 // the same, and the one whose Write failed because of the end
	Received uint64 // messages that arrived as rule 1 says
	// Unfinished says that the end came while a MessageWriter was open.
	Unfinished bool
	Retried    uint64 // Writes whose context ended, and which were made again
	Largest    int    // bytes of the largest message that was written

	End     End
	Error   string // of Pull
	Acts    []Act
	Windows int           // bytes of each window; 0: the connection did not open
	HeldIn  int64         // bytes that were buffered at most
	HeldOut int64         // bytes that were buffered at most
	Stalled time.Duration // in which a Write had no credit
	Faults  []string      // that the side has found itself
}

// did reports whether the side has done one of the acts.
func (r *Record) did(acts ...Act) bool {
	return slices.ContainsFunc(r.Acts, func(a Act) bool { return slices.Contains(acts, a) })
}

// A window is the time of a restart: from before Shutdown until the server listens again.
type window struct {
	From, To time.Duration // To is 0 while the restart goes on
}

// overlaps reports whether the time from a to b has a part in w.
func (w window) overlaps(a, b time.Duration) bool {
	return b >= w.From && (w.To == 0 || a <= w.To)
}

// An outbox has the Records that the process of the Ledger has not fetched yet.
type outbox struct {
	mu      sync.Mutex
	records []Record // guarded by mu
}

func (o *outbox) add(r Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = append(o.records, r)
}

func (o *outbox) take() []Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.records
	o.records = nil
	return r
}
