package wire

import (
	"context"
	"errors"
	"time"
)

// A readWait has what other goroutines know about the holder of readGate while it waits in the
// transport's Read. mu guards it.
type readWait struct {
	wait
	lookAgain bool   // the next wait returns immediately: a recall found no goroutine waiting
	inHook    bool   // a hook runs, which may ask for Stats
	empties   uint8  // reads in a row that returned nothing; readGate guards it, and not mu
	recalls   uint32 // how many goroutines were recalled
	received  tally  // what was received when the holder began to wait, or to run a hook
}

// beginWait notes that the holder of readGate is about to wait in the transport's Read, until ctx
// ends at most. It reports false if there is no reason to wait. A background reader does not wait
// while a pull waits for readGate. If as is inPoller, the caller does not wait: it reads what there
// is.
func (c *Conn) beginWait(ctx context.Context, as waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendBeforeWaitRelocks()
	switch e := c.end.facts(); {
	case e.over:
		c.noMoreInput()
		return false
	case c.wait.lookAgain:
		c.wait.lookAgain = false
		return false
	case as != onCall:
		if c.reads.waiting.Load() > 0 {
			return false
		}
		if as != inPoller {
			c.waitsLocked(as)
		}
		return true
	case e.read != nil || c.causeOf(ctx) != nil || c.reads.handler.Load() != nil:
		return false // of a handler, too, that came meanwhile
	}
	c.waitsLocked(onCall)
	if done := ctx.Done(); !c.wait.watches(done) {
		c.wait.watch.replace(done)
		go c.watchRead(ctx, done) // the watch's: it ends when the watch is armed
	}
	return true
}

// watchRead arms the watch of the read wait for ctx, whose Done is done. It runs on a goroutine of
// its own: arming would double the stack of the goroutine that waits, for as long as it waits.
func (c *Conn) watchRead(ctx context.Context, done <-chan struct{}) {
	stop := context.AfterFunc(ctx, func() { c.readExpired(done) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := &c.wait.watch; w.done == done && w.stop == nil {
		w.stop = stop
	} else { // ctx has ended, or another context is watched by now
		stop()
	}
}

// readExpired ends the wait of the pull whose context has this Done.
func (c *Conn) readExpired(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait.expired(done) {
		c.stopReadLocked()
	}
}

// waitsLocked notes that the holder of readGate waits from here on, and publishes its counts.
func (c *Conn) waitsLocked(as waiter) {
	c.wait.kind = as
	c.publishLocked()
	if c.alive != nil {
		c.listeningLocked()
	}
}

// endWait notes that the holder of readGate is back from its wait, with n bytes. It reports whether
// it was recalled.
func (c *Conn) endWait(n int) (recalled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive != nil {
		c.alive.heardOf(n)
	}
	if !c.wait.back() {
		return false
	}
	if c.wait.checked() {
		c.wait.watch.off()
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	return true
}

// recallReadLocked brings back the goroutine that waits in the transport's Read. If none waits, the
// next wait returns immediately.
func (c *Conn) recallReadLocked() {
	if c.wait.kind == notWaiting {
		c.wait.lookAgain = true
	} else if c.wait.recall() {
		c.wait.recalls++
		_ = c.nc.SetReadDeadline(past)
	}
}

// stopReadLocked recalls a call that has nothing more to wait for. If the call is not back within a
// second, the connection is cut. A socket's wait ends with its deadline, but not every transport's
// does. A tls.Conn that answers the peer's KeyUpdate in its Read waits for its own Write, and so
// for a peer that does not read.
func (c *Conn) stopReadLocked() {
	c.recallReadLocked()
	if c.wait.recalled && !c.isPollable() && !c.wait.checked() {
		c.wait.watch.off()
		c.checkBackLocked(c.wait.recalls, checksBack)
	}
}

// checked reports whether a timer checks that the recalled goroutine comes back. The timer uses the
// field of the watch.
func (w *readWait) checked() bool { return w.watch.stop != nil && w.watch.done == nil }

// checkBackLocked arms the next of so many checks that the goroutine of the nth recall is back.
func (c *Conn) checkBackLocked(nth uint32, checks int) {
	timer := time.AfterFunc(backWait/checksBack, func() { c.checkBack(nth, checks-1) })
	c.wait.watch.stop = timer.Stop
}

// checkBack cuts the connection if the goroutine of the nth recall is not back, and no check is
// left.
func (c *Conn) checkBack(nth uint32, checks int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wait.recalled || c.wait.recalls != nth || c.end.facts().over {
		return
	}
	if checks > 0 {
		c.checkBackLocked(nth, checks)
		return
	}
	e := c.end.note()
	e.cut = true
	if e.lost == nil {
		e.lost = errNotBack
	}
	c.settleLocked()
}

var errNotBack = errors.New("we cut the connection: its transport's Read did not return within " +
	"a second of the end of a call, as of TLS while the peer asks for a KeyUpdate and does not read")
