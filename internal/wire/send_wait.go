package wire

import (
	"context"
	"errors"
	"os"
	"time"
)

// A stall is how a goroutine with the baton waits until a transport with a prompt takes more. It is guarded by mu.
type stall struct {
	who      parking       // a Write, where its message lies (onCall), or the flusher (inBackground)
	recalled bool          // it has been told to come back
	claimed  bool          // a Write wants the baton of the flusher
	handed   chan struct{} // gets a token when it has it
	watch    watch
	watched  bool // the context of the Write is that of watch
}

// noStall is that of a Conn on which nobody has ever waited for room.
var noStall stall

// stalls returns the Conn's own stall.
func (c *Conn) stalls() *stall {
	if c.stall == &noStall {
		c.stall = &stall{handed: make(chan struct{}, 1)}
	}
	return c.stall
}

// waits reports whether a Write may wait for room until ctx ends, and watches ctx for it. A nil ctx waits for nothing.
func (c *Conn) waits(ctx context.Context) bool {
	if c.ask == nil || ctx == nil || ctx.Err() != nil || c.end.write != nil || c.end.aborted || c.end.leaving {
		return false
	}
	s, done := c.stalls(), ctx.Done()
	if s.watched = done != nil; s.watched && done != s.watch.done {
		s.watch.off()
		s.watch.done, s.watch.stop = done, context.AfterFunc(ctx, func() { c.stallExpired(done) })
	}
	return true
}

// recall makes who waits for room come back. A write deadline does no harm where there is a prompt, which is never TLS.
func (c *Conn) recall() {
	if c.stall.who != nobody && !c.stall.recalled {
		c.stall.recalled = true
		_ = c.nc.SetWriteDeadline(past)
	}
}

// resume notes that who waited is back, and returns what err is beside that it was recalled.
func (c *Conn) resume(err error) error {
	c.stall.who = nobody
	if !c.stall.recalled {
		return err
	}
	c.stall.recalled = false
	_ = c.nc.SetWriteDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// stallExpired recalls the Write whose context has this Done.
func (c *Conn) stallExpired(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stall.who == onCall && c.stall.watched && c.stall.watch.done == done {
		c.recall()
	}
	if c.stall.watch.done == done {
		c.stall.watch.off()
	}
}

// relieves reports whether a Write of p, which is paid for, lends, and has to wait, should take the
// baton from a flusher that waits for room.
func (c *Conn) relieves(p *piece) bool {
	return c.stall.who == inBackground && !c.stall.claimed && p.ctx != nil && c.lends(p) &&
		!(c.framer.single(p) && c.writeWindow.Credit() >= 0)
}

// relieve takes the baton from the flusher if that is of use, and lets go of mu meanwhile. Whoever
// calls has the turn to write, and has to see to what the flusher has left.
func (c *Conn) relieve(p *piece) {
	if !c.relieves(p) {
		return
	}
	c.stall.claimed = true
	c.recall()
	c.mu.Unlock()
	<-c.stall.handed
	c.mu.Lock()
}

// handOver gives the baton to the Write that has claimed it.
func (c *Conn) handOver() {
	if c.stall.claimed {
		c.stall.claimed = false
		c.stall.handed <- struct{}{}
	}
}
