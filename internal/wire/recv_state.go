package wire

import (
	"sync/atomic"

	"github.com/wsstream/wsstream/internal/credit"
	"github.com/wsstream/wsstream/internal/latch"
)

// A receiver has what the holder of readGate owns: the input, and facts about it.
type receiver struct {
	in        inbox
	assembled []byte         // the start of a message, from a Pull whose context ended
	window    credit.Account // the read window; other goroutines may read it
	received  tally
	readers   uint64 // how many messages were read by a Reader
	turns     uint32 // how often readGate was released after a call
	rested    uint32 // turns, when the input was last left to the poller
	asked     uint16 // bytes that the last read into the inbox had room for: largeChunk at most
	peerDone  bool   // the peer has sent its Close: no message follows
	eof       bool   // the transport gives no more
	breached  bool   // the peer broke a rule, which has yet to take effect
	greedy    bool   // the last read filled its buffer
	fetched   bool   // the transport was read since the last message
	drained   bool   // the last read took all that there was; of a read that does not wait
}

// reads has the fields that all reading calls share.
type reads struct {
	// current is the number of the Reader whose message is at the pull cursor; 0 for none.
	current atomic.Uint64

	// skipped is the number of the last Reader whose message need not be read further.
	skipped atomic.Uint64

	// final is the end of all pulls. It is set once no unread message remains.
	final atomic.Pointer[error]

	// statsAsked is closed when the holder of readGate has published its tally. It is nil while no
	// call asks.
	statsAsked atomic.Pointer[latch.Latch]

	handler atomic.Pointer[Handler] // gets the messages; nil for none

	waiting atomic.Int32 // goroutines that wait for readGate
}

// account charges the read window with what is held now.
func (c *Conn) account() {
	r := &c.recv
	r.in.passControls()
	held := r.in.held + len(r.assembled)
	switch d := held - r.window.Held(); {
	case d > 0:
		r.window.Force(d)
	case d < 0:
		r.window.Give(-d)
	}
}

// borrowBuffer borrows the memory for a read.
func (r *receiver) borrowBuffer() (b []byte) {
	expect := smallChunk
	if r.greedy || r.in.toSkip > smallChunk {
		expect = largeChunk
	}
	limit := max(1, r.window.Credit())
	if r.in.sealed {
		limit = expect // what comes is dropped
	}
	b = r.in.space(expect, limit)
	r.asked = uint16(len(b))
	return b
}

// returnBuffer returns the memory of a read that nothing is in.
func (r *receiver) returnBuffer() { r.in.trim() }

// noMoreInput notes that the transport gives no more. Half a header never becomes whole.
func (c *Conn) noMoreInput() {
	c.recv.eof = true
	c.recv.in.seal()
}

// noteHeld notes that a Pull holds n bytes of a message in addition to the window.
func (c *Conn) noteHeld(n int) {
	if n > 0 {
		c.recv.received.most = max(c.recv.received.most, int64(c.recv.in.held+n))
	}
}

// isSkipping reports whether the rest of the message at the pull cursor is to be skipped.
func (c *Conn) isSkipping() bool {
	nth := c.reads.current.Load()
	return nth != 0 && nth == c.reads.skipped.Load()
}

// isReaderOpen reports whether a Reader reads a message that is not dropped.
func (c *Conn) isReaderOpen() bool {
	nth := c.reads.current.Load()
	return nth != 0 && nth != c.reads.skipped.Load() && !c.flags.has(isDropping)
}
