package wire

import (
	"context"
	"errors"
	"time"
)

// A parking says who waits in the transport's Read.
type waiter uint8

const (
	nobody waiter = iota
	onCall        // a pull does
	inBackground
	atEnd // a pull waits for the end instead, since nothing will come before it, or nobody has started
)

// A watch is one context's end, watched for whoever waits. It stays from one wait to the next, since the same context
// mostly comes again, and arming one costs more than comparing.
type watch struct {
	done <-chan struct{} // the watched context's
	stop func() bool
}

// off lets go of the watched context.
func (w *watch) off() {
	if w.stop != nil {
		w.stop()
	}
	if w.stop != nil || w.done != nil {
		w.stop, w.done = nil, nil
	}
}

// armed reports whether a timer stands in its place; see bringBack.
func (w *watch) armed() bool { return w.stop != nil && w.done == nil }

// park says that the goroutine is about to wait in the transport's Read, until ctx ends at most; in the background
// it does not wait while somebody wants to pull. It reports false if there is no reason to wait.
func (c *Conn) beginWait(ctx context.Context, as waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nonblocking != nil && !c.send.baton && c.nextOutLocked() != nil {
		c.sendNowRelocks() // the answers to what was read leave together
		c.startFlusherLocked()
	}
	switch {
	case c.end.facts().over:
		c.noMore()
		return false
	case c.wait.lookAgain:
		c.wait.lookAgain = false
		return false
	case as == inBackground:
		if c.reads.waiting.Load() > 0 {
			return false
		}
		c.waitingLocked(inBackground)
		return true
	case c.end.facts().read != nil || c.causeOf(ctx) != nil:
		return false
	}
	c.waitingLocked(onCall)
	done := ctx.Done()
	if c.wait.watched = done != nil; c.wait.watched && done != c.wait.watch.done {
		c.wait.watch.off()
		c.wait.watch.done = done
		go c.watchContext(ctx, done) // the watch's: it ends when it is armed
	}
	return true
}

// watchOver arms the watch for a context with this Done. It has a goroutine of its own since that takes more stack than
// all that waits, and the stack of the one that waits would keep twice the size.
func (c *Conn) watchContext(ctx context.Context, done <-chan struct{}) {
	stop := context.AfterFunc(ctx, func() { c.readExpired(done) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait.watch.done == done && c.wait.watch.stop == nil {
		c.wait.watch.stop = stop
	} else { // ctx has ended, or another came
		stop()
	}
}

// rest says that the holder of readGate waits from here on, and shows what it has counted. It expects mu to be held.
func (c *Conn) waitingLocked(as waiter) {
	c.wait.who = as
	c.publishLocked()
	if c.alive != nil {
		c.listeningLocked()
	}
}

// unpark says that the goroutine is back, with n bytes, and reports whether it was poked.
func (c *Conn) endWait(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait.who = nobody
	if c.alive != nil {
		c.alive.heardOf(n)
	}
	if !c.wait.recalled {
		return false
	}
	c.wait.recalled = false
	if c.wait.watch.armed() {
		c.wait.watch.off()
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	return true
}

// poke makes the goroutine that is parked come back, or look around once more before it parks. No context's deadline is
// ever put on the transport: it could fire before the context's error is set. It expects mu to be held.
func (c *Conn) recallReadLocked() {
	switch {
	case c.wait.who == nobody:
		c.wait.lookAgain = true
	case c.wait.who != atEnd && !c.wait.recalled:
		c.wait.recalled = true
		c.wait.recalls++
		_ = c.nc.SetReadDeadline(past)
	}
}

// bringBack is poke for a call that has nothing more to wait for: where the goroutine is not back within a second, it cuts
// the connection. A socket's wait ends with its deadline, but not every transport's does. A tls.Conn that answers the
// peer's KeyUpdate in its Read waits for its Write, and so for a peer that does not read.
func (c *Conn) stopReadWaitLocked() {
	c.recallReadLocked()
	if !c.wait.recalled || c.pollable != nil || c.wait.watch.armed() {
		return
	}
	c.wait.watch.off()
	c.armCheckBackLocked(c.wait.recalls, checksBack)
}

// backLooks is how often in its second a goroutine is looked for that was told to come back. Several
// looks, so that a machine that stood still meanwhile cuts no connection when it goes on.
const checksBack = 4

// lookBack arms the next of so many looks for the goroutine that was told to come back with the nth
// poke. mu must be held.
func (c *Conn) armCheckBackLocked(nth uint32, looks int) {
	c.wait.watch.stop = time.AfterFunc(time.Second/checksBack, func() { c.checkBack(nth, looks-1) }).Stop
}

func (c *Conn) checkBack(nth uint32, looks int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wait.recalled || c.wait.recalls != nth || c.end.facts().over {
		return
	}
	if looks > 0 {
		c.armCheckBackLocked(nth, looks)
		return
	}
	e := c.end.note()
	e.cut = true
	if e.lost == nil {
		e.lost = errNotBack
	}
	c.settleLocked()
}

var errNotBack = errors.New("we cut the connection: its transport's Read did not return within a second of the end " +
	"of a call, as of TLS while the peer asks for a KeyUpdate and does not read")

var past = time.Unix(1, 0)

// expired pokes the pull that is parked for the context with this Done.
func (c *Conn) readExpired(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait.watch.done != done {
		return
	}
	c.wait.watch.off()
	if c.wait.who == onCall && c.wait.watched {
		c.stopReadWaitLocked()
	}
}
