package wire

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/internal/poller"
)

// A background decides when the input is read although no call pulls, as long as there is credit.
// So pings are answered and the peer's Close is noticed. The background reader does this. It ends
// when a socket has no more bytes: the poller watches the socket then. On another transport it
// waits in Read.
type background struct {
	timer atomic.Pointer[time.Timer] // the Conn's, also keepalive's; nil until it is needed
}

// armIdle makes sure that the input is read if readGate is not locked for a while. turns is what
// the caller has counted. All sockets share the timer of the poller.
func (c *Conn) armIdle(turns uint32) {
	c.armedAt.Store(turns)
	if c.watchable != nil {
		c.watchable.later()
		return
	}
	t := c.background.timer.Load()
	if t == nil {
		t = c.newTimer()
	}
	t.Reset(idleTick())
}

// timerFired is the function of the Conn's timer.
func (c *Conn) timerFired() {
	if c.watchable == nil && c.flags.clear(isArmed) { // releasing readGate arms it anew
		c.startIfIdle()
	}
	if c.alive != nil {
		c.checkAlive()
	}
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
		c.releaseRead() // the poller wakes the handler
		c.readIfRequested()
		return
	}
	if c.alive == nil {
		c.background.timer.Store(nil) // the reader may run for long
	}
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
	c.freeUnused()
	c.releaseRead()
	return false
}

// runBackground is the background reader. Its starter has locked readGate.
func (c *Conn) runBackground() {
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
	full := c.recv.window.Credit() <= 0
	c.freeUnused()
	c.releaseRead()
	if full && c.alive != nil {
		c.checkWithin(0)
	}
	if h := c.reads.handler.Load(); h != nil && h.state.Load() == handlerWoken {
		c.startBackground() // Ready found readGate still locked, and the handler may run for long
	}
	c.readIfRequested() // requestReader may have found readGate still locked
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

// Idle is called a while after a call has released readGate.
func (w *watched) Idle() {
	c := (*Conn)(w)
	c.flags.clear(isArmed) // releasing readGate arms it anew from now on
	c.startIfIdle()
}

// Ready is called when there is something to read. It wakes the handler. While the handler's
// function runs for long, and if there is no handler, it is the background reader. If calls read,
// it mutes the socket: the last of them has armed Idle, which leaves the input to the poller again.
func (w *watched) Ready(event poller.Event) {
	c := (*Conn)(w)
	if event.Ended {
		c.flags.set(isHungUp)
	}
	if event.Lost {
		c.checkLostWithin(c.armedAt.Load())
	}
	h, closing := c.reads.handler.Load(), c.flags.has(isClosing)
	if h != nil && c.handle(h, true) && !closing {
		return
	}
	if c.readGate.TryLock() {
		if c.recv.turns == c.recv.rested || closing {
			c.runBackground()
			if h != nil {
				c.handle(h, true) // with what has come meanwhile
			}
			return
		}
		if h == nil {
			c.muteCalls()
		}
		c.releaseRead()
		c.readIfRequested()
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

// newTimer makes the Conn's timer, which does not run yet. It is stored before it can fire, since
// timerFired uses it.
func (c *Conn) newTimer() *time.Timer {
	t := time.AfterFunc(math.MaxInt64, c.timerFired)
	t.Stop()
	c.background.timer.Store(t)
	return t
}
