package wire

import (
	"context"
	"errors"
	"os"
	"time"
)

// A stall is the wait of the goroutine with the baton until a pollable transport takes more. That
// goroutine is a Write that lends (onCall), or the flusher (inBackground). mu guards the stall.
type stall struct {
	wait
	claimed bool          // a Write wants the flusher's baton
	handed  chan struct{} // gets a token when that Write has the baton
}

// noStall is the state of all Conns on which no goroutine has waited in this way. It is never
// written to.
var noStall stall

// stalled returns the state of the wait, for reading.
func (s *sending) stalled() *stall {
	if s.stall == nil {
		return &noStall
	}
	return s.stall
}

// noteStall returns the Conn's own state, for writing.
func (s *sending) noteStall() *stall {
	if s.stall == nil {
		s.stall = &stall{handed: make(chan struct{}, 1)}
	}
	return s.stall
}

// watchWriteLocked reports whether a Write with ctx may wait until the transport takes more, and
// watches ctx for it. A nil ctx waits for nothing.
func (c *Conn) watchWriteLocked(ctx context.Context) bool {
	e := c.end.facts()
	if !c.isPollable() || ctx == nil || ctx.Err() != nil ||
		e.write != nil || e.aborted || e.leaving {
		return false
	}
	if s, done := c.send.noteStall(), ctx.Done(); !s.watches(done) {
		s.watch.replace(done)
		s.watch.stop = context.AfterFunc(ctx, func() { c.writeExpired(done) })
	}
	return true
}

// writeExpired recalls the Write whose context has this Done.
func (c *Conn) writeExpired(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.send.stalled().expired(done) {
		c.recallWriteLocked()
	}
}

// recallWriteLocked brings back the goroutine that waits until the transport takes more. A write
// deadline damages no pollable transport. It would damage TLS, which is not pollable.
func (c *Conn) recallWriteLocked() {
	if c.send.stalled().recall() {
		_ = c.nc.SetWriteDeadline(past)
	}
}

// backLocked notes that the goroutine that waited is back. It returns err, unless that only says
// that the goroutine was recalled.
func (c *Conn) backLocked(err error) error {
	if !c.send.noteStall().back() {
		return err
	}
	_ = c.nc.SetWriteDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
