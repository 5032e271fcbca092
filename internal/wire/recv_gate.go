package wire

import (
	"context"
	"sync/atomic"

	"github.com/wsstream/wsstream/internal/credit"
	"github.com/wsstream/wsstream/internal/latch"
)

// A receiver is what the holder of readGate owns: the input, and what is known of it.
type receiver struct {
	in        inbox
	assembled []byte         // of a message that a Pull has begun, whose context then ended
	window    credit.Account // the read window; other goroutines may read it
	charged   int            // bytes that window is charged with
	asked     int            // bytes that the last read had room for
	scratch   *chunk         // the memory of a read whose bytes are dropped; else nil
	received  tally
	readers   uint64 // how many messages were read by a Reader
	turns     uint32 // how often readGate was released after a call
	peerDone  bool   // the peer has sent its Close: no message follows
	eof       bool   // the transport gives no more
	breached  bool   // the peer broke a rule, which has yet to take effect
	greedy    bool   // the last read filled its buffer
	fetched   bool   // the transport was read since the last message
}

// reads is what all reading calls share.
type reads struct {
	current    atomic.Uint64               // number of the Reader whose message is at the pull cursor; 0 for none
	skipped    atomic.Uint64               // number of the last Reader whose message need not be read further
	final      atomic.Pointer[error]       // the end of all pulls; set once no unread message remains
	statsAsked atomic.Pointer[latch.Latch] // closed when the holder has published its tally; nil while no call asks
	waiting    atomic.Int32                // goroutines that wait for readGate
	dropping   atomic.Bool                 // all input is dropped as it comes
}

// lockRead locks readGate to go on with a message. If the background reader holds it, lockRead
// recalls that.
func (c *Conn) lockRead(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.readGate.TryLock() {
		return nil
	}
	return c.awaitRead(ctx)
}

func (c *Conn) awaitRead(ctx context.Context) error {
	c.reads.waiting.Add(1)
	c.mu.Lock()
	if c.wait.who == inBackground {
		c.recallReadLocked()
	}
	c.mu.Unlock()
	locked := c.readGate.Lock(ctx)
	if !locked && c.causeOf(ctx) == nil {
		locked = c.readGate.Lock(context.Background()) // after the end no holder waits for long
	}
	c.reads.waiting.Add(-1)
	if !locked {
		c.requestReader() // the background reader has released readGate for nothing
		return context.Cause(ctx)
	}
	return nil
}

// lockPull locks readGate to start a new message. It returns ErrBusy if a Reader is open. It
// returns the final error without locking, so that failing pulls in a loop do not starve the
// background reader.
func (c *Conn) lockPull(ctx context.Context) error {
	if ctx.Err() != nil { // causeOf asks the same; this saves a call
		if err := c.causeOf(ctx); err != nil {
			return err
		}
	}
	if end := c.reads.final.Load(); end != nil {
		return *end
	}
	if c.isReaderOpen() {
		return c.errs.Busy
	}
	if !c.readGate.TryLock() {
		if err := c.awaitRead(ctx); err != nil {
			return err
		}
	}
	if c.isReaderOpen() {
		c.unlockRead()
		return c.errs.Busy
	}
	return nil
}

// isReaderOpen reports whether a Reader reads a message that is not dropped.
func (c *Conn) isReaderOpen() bool {
	nth := c.reads.current.Load()
	return nth != 0 && nth != c.reads.skipped.Load() && !c.reads.dropping.Load()
}

// isSkipping reports whether the rest of the message at the pull cursor is to be skipped.
func (c *Conn) isSkipping() bool {
	nth := c.reads.current.Load()
	return nth != 0 && nth == c.reads.skipped.Load()
}

// unlockRead releases readGate after a call. Pings and the peer's Close must be seen although no
// call reads. So it arms the idle timer, or starts the background reader immediately if a Close is
// under way.
func (c *Conn) unlockRead() {
	c.freeUnused()
	c.recv.turns++
	turns := c.recv.turns
	c.readGate.Unlock()
	if c.reads.statsAsked.Load() != nil { // releaseRead, which is not inlined: each Pull comes here
		c.answerStats()
	}
	if c.background.closing.Load() || c.background.requested.Load() {
		c.startBackground()
	} else if !c.background.armed.Load() && c.background.armed.CompareAndSwap(false, true) {
		c.armIdle(turns)
	}
}

// releaseRead releases readGate, and answers callers of Stats. The caller then calls
// readIfRequested, or knows that it need not.
func (c *Conn) releaseRead() {
	c.readGate.Unlock()
	if c.reads.statsAsked.Load() != nil {
		c.answerStats()
	}
}

// freeUnused frees the memory that the input needs no more.
func (c *Conn) freeUnused() {
	c.recv.in.trim()
	if c.compression.inflates() {
		c.freeInflater()
	}
}

// account charges the read window with what is held now.
func (c *Conn) account() {
	r := &c.recv
	r.in.passControls()
	held := r.in.held + len(r.assembled)
	switch d := held - r.charged; {
	case d > 0:
		r.window.Force(d)
	case d < 0:
		r.window.Give(-d)
	}
	r.charged = held
}
