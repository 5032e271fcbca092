package wire

import (
	"context"
	"time"

	"github.com/wsstream/wsstream/internal/poller"
)

// The input is read although no call pulls, as long as there is credit. So pings are answered and
// the peer's Close is noticed. The background reader does this. It ends when a socket has no more
// bytes: the poller watches the socket then. On another transport it waits in Read.

// armIdle makes sure that the input is read if readGate is not locked for a while. turns is what
// the caller has counted. All sockets share the timer of the poller.
func (c *Conn) armIdle(turns uint32) {
	c.armedAt.Store(turns)
	if c.watchable != nil {
		c.watchable.later()
		return
	}
	if t := c.idle.Load(); t != nil {
		t.Reset(idleTick())
	} else {
		c.idle.Store(time.AfterFunc(idleTick(), c.isIdle))
	}
}

// isIdle is called a while after a call has released readGate.
func (c *Conn) isIdle() {
	c.flags.clear(isArmed) // releasing readGate arms it anew from now on
	c.startIfIdle()
}

// startIfIdle lets the input be read if no call has read since that was decided.
func (c *Conn) startIfIdle() {
	if !c.readGate.TryLock() {
		return
	}
	if c.recv.turns != c.armedAt.Load() {
		c.unlockRead()
		return
	}
	if h := c.reads.handler.Load(); h != nil && c.watchable != nil {
		if h.isRunning() {
			go c.runBackground() // the Conn's own: it ends with the input, the credit, or the transport
			return
		}
		c.leaveRead() // the poller wakes the handler
		return
	}
	c.idle.Store(nil) // the reader may run for long
	if !c.readInBackground() {
		c.readIfRequested()
	}
}

// requestReader makes sure that a goroutine handles the input even if no call reads. If readGate is
// free, it starts a background reader. Otherwise the holder of readGate does so when it releases
// readGate. requestReader itself handles no input, because its caller may hold mu.
func (c *Conn) requestReader() {
	c.flags.set(isRequested)
	if c.readGate.TryLock() {
		go c.runBackground() // the Conn's own: it ends with a pull, the credit, or the transport
	}
}

// readIfRequested starts the reader if it was requested while the caller held readGate. Each
// goroutine that releases readGate calls it afterwards. mu must not be held.
func (c *Conn) readIfRequested() {
	if c.flags.has(isRequested) {
		c.startBackground()
	}
}

// startBackground starts the reader, unless another goroutine reads already or there is no reason
// to. mu must not be held.
func (c *Conn) startBackground() {
	for c.readGate.TryLock() && !c.readInBackground() && c.flags.has(isRequested) {
	}
}

// readInBackground makes sure that the input is read, if there is a reason to. It leaves the input
// to the poller, or hands readGate to a background reader. It reports whether it has handed it. If
// not, it has released readGate. mu must not be held.
func (c *Conn) readInBackground() (handed bool) {
	c.flags.clear(isRequested)
	inflate := c.mustInflate()
	if inflate || c.wantsInput() && !c.rest() { // inflating takes time, which is not the caller's
		go c.runBackground() // the Conn's own: it ends with a pull, the credit, or the transport
		return true
	}
	c.stopReading()
	return false
}

// stopReading releases readGate, because there is no reason to read in the background. Behind a
// full window, keepalive, the poller and checkLost look for what reading would notice.
func (c *Conn) stopReading() {
	full := c.recv.window.Credit() <= 0
	if full && c.watchable != nil {
		c.watchLost()
	}
	turns := c.recv.turns
	c.freeUnused()
	c.releaseRead()
	if full && c.alive != nil {
		c.checkWithin(0)
	}
	if full && c.flags.has(isHungUp) && c.flags.set(isSuspect) {
		c.checkLostWithin(turns)
	}
}

// runBackground is the background reader. Its starter has locked readGate. What it has read is no
// news to the poller. So it gives messages to the handler itself.
func (c *Conn) runBackground() {
	unread := c.readOn()
	if h := c.reads.handler.Load(); h != nil && unread {
		c.handle(h, false)
	}
}

// readOn reads in the background as long as there is a reason to, and releases readGate. It reports
// whether there is input that no call and no handler has taken.
func (c *Conn) readOn() (unread bool) {
	c.flags.clear(isRequested)
	as := inBackground
	if c.watchable != nil {
		as = inPoller
		c.endWait(0)
	}
	c.recv.drained = false
	for reads := 0; c.wantsInput(); reads++ {
		if as == inPoller && (c.recv.drained || reads == maxReads) {
			if c.rest() {
				break
			}
			as = inBackground // the poller cannot watch the socket, or the connection has ended
		}
		c.readOnce(context.Background(), as, nil)
	}
	unread = c.recv.in.held > 0
	c.stopReading()
	if h := c.reads.handler.Load(); h != nil && h.state.Load() == handlerWoken {
		c.startBackground() // Ready found readGate still locked, and the handler may run for long
	}
	c.readIfRequested() // requestReader may have found readGate still locked
	return unread
}

// rest leaves the input of a socket to the poller, which calls Ready when there is something to
// read. It reports false if the poller cannot watch the transport, or has nothing more to report.
// readGate must be held.
func (c *Conn) rest() bool {
	if c.watchable == nil || c.flags.has(isHungUp) && !c.recv.drained {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendBeforeWaitRelocks()
	if c.end.facts().over || !(c.recv.drained && c.watchable.isWatched()) && !c.watchable.watch() {
		return false
	}
	c.recv.drained = false
	c.recv.rested = c.recv.turns
	c.waitsLocked(inPoller)
	return true
}

// watched is a Conn as the poller sees it.
type watched Conn

func (w *watched) Idle() { (*Conn)(w).isIdle() }

// Ready is called when there is something to read. It wakes the handler. While the handler's
// function runs for long, and if there is no handler, it is the background reader, also of a lost
// connection. If calls read, it mutes the socket: the last of them has armed Idle, which leaves the
// input to the poller again.
func (w *watched) Ready(event poller.Event) {
	c := (*Conn)(w)
	if event.Ended {
		c.flags.set(isHungUp)
	}
	h, closing := c.reads.handler.Load(), c.flags.has(isClosing)
	if h != nil && c.handle(h, true) && !closing {
		return
	}
	if c.readGate.TryLock() {
		if c.recv.turns == c.recv.rested || closing || event.Lost {
			c.readOn()
			if h != nil {
				c.handle(h, true) // with what has come meanwhile
			}
			return
		}
		if h == nil {
			c.muteCalls()
		}
		c.leaveRead()
		return
	}
	if h != nil && !closing {
		return // the goroutine that delivers looks again
	}
	c.mu.Lock()
	calls := c.wait.kind == onCall
	if calls {
		c.watchable.mute()
	} else {
		c.flags.set(isRequested)
	}
	c.mu.Unlock()
	c.readIfRequested() // the holder of readGate may have released it
}

// muteCalls mutes a socket from which calls read.
func (c *Conn) muteCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchable.mute()
	c.wait.back()
}

// wantsInput reports whether the background reader should read on. It should while the input is
// dropped, or there is credit for it, and no call waits for readGate.
func (c *Conn) wantsInput() bool {
	c.dropUnwanted()
	c.account()
	if c.recv.breached {
		c.meetBreach() // no call has pulled for a while
	}
	if c.recv.eof || c.reads.waiting.Load() > 0 {
		return false
	}
	return c.recv.in.sealed || c.flags.has(isDropping) || c.recv.window.Credit() > 0
}
