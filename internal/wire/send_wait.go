package wire

import (
	"context"
	"errors"
	"os"
	"time"
)

// A stall is how a goroutine with the baton waits until a transport with a prompt takes more. It is guarded by mu.
type stall struct {
	who      waiter        // a Write, where its message lies (onCall), or the flusher (inBackground)
	recalled bool          // it has been told to come back
	claimed  bool          // a Write wants the baton of the flusher
	handed   chan struct{} // gets a token when it has it
	watch    watch
	watched  bool // the context of the Write is that of watch
}

var noStall stall

// stalled returns what is known of waits for room, for reading.
func (s *sending) stalled() *stall {
	if s.stall == nil {
		return &noStall
	}
	return s.stall
}

func (c *Conn) ownStallLocked() *stall {
	if c.send.stall == nil {
		c.send.stall = &stall{handed: make(chan struct{}, 1)}
	}
	return c.send.stall
}

// waits reports whether a Write may wait for room until ctx ends, and watches ctx for it. A nil ctx waits for nothing.
func (c *Conn) watchWriteLocked(ctx context.Context) bool {
	if c.pollable == nil || ctx == nil || ctx.Err() != nil || c.end.facts().write != nil || c.end.facts().aborted || c.end.facts().leaving {
		return false
	}
	s, done := c.ownStallLocked(), ctx.Done()
	if s.watched = done != nil; s.watched && done != s.watch.done {
		s.watch.off()
		s.watch.done, s.watch.stop = done, context.AfterFunc(ctx, func() { c.writeExpired(done) })
	}
	return true
}

// recall makes who waits for room come back. A write deadline does no harm where there is a prompt, which is never TLS.
func (c *Conn) recallWriteLocked() {
	if c.send.stalled().who != nobody && !c.send.stalled().recalled {
		c.send.stalled().recalled = true
		_ = c.nc.SetWriteDeadline(past)
	}
}

// resume notes that who waited is back, and returns what err is beside that it was recalled.
func (c *Conn) resumedLocked(err error) error {
	c.send.stalled().who = nobody
	if !c.send.stalled().recalled {
		return err
	}
	c.send.stalled().recalled = false
	_ = c.nc.SetWriteDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// stallExpired recalls the Write whose context has this Done.
func (c *Conn) writeExpired(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.send.stalled().who == onCall && c.send.stalled().watched && c.send.stalled().watch.done == done {
		c.recallWriteLocked()
	}
	if c.send.stalled().watch.done == done {
		c.send.stalled().watch.off()
	}
}

// relieves reports whether a Write of p, which is paid for, lends, and has to wait, should take the
// baton from a flusher that waits for room.
func (c *Conn) wantsBatonLocked(p *piece) bool {
	return c.send.stalled().who == inBackground && !c.send.stalled().claimed && p.ctx != nil && c.lends(p) &&
		!(c.send.framer.single(p) && c.writeWindow.Credit() >= 0)
}

// relieve takes the baton from the flusher if that is of use, and lets go of mu meanwhile. Whoever
// calls has the turn to write, and has to see to what the flusher has left.
func (c *Conn) takeBatonRelocks(p *piece) {
	if !c.wantsBatonLocked(p) {
		return
	}
	c.send.stalled().claimed = true
	c.recallWriteLocked()
	c.mu.Unlock()
	<-c.send.stalled().handed
	c.mu.Lock()
}

// handOver gives the baton to the Write that has claimed it.
func (c *Conn) giveBatonLocked() {
	if c.send.stalled().claimed {
		c.send.stalled().claimed = false
		c.send.stalled().handed <- struct{}{}
	}
}
