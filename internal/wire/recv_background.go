package wire

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// A background decides when the background reader starts. That is the goroutine that reads while no
// call does, as long as there is credit. So pings are answered and the peer's Close is noticed.
type background struct {
	timer     atomic.Pointer[time.Timer] // the Conn's, also keepalive's; nil until it is needed
	armed     atomic.Bool                // the timer will start the reader
	turns     atomic.Uint32              // receiver.turns when the timer was armed
	closing   atomic.Bool                // a Close is under way: releasing readGate starts the reader
	requested atomic.Bool                // input needs attention; see requestReader
}

// armIdle arms the timer to start the reader if readGate is not locked for a while. turns is what
// the caller has counted.
func (c *Conn) armIdle(turns uint32) {
	c.background.turns.Store(turns)
	t := c.background.timer.Load()
	if t == nil {
		t = c.newTimer()
	}
	t.Reset(idleTick())
}

// timerFired is the function of the Conn's timer.
func (c *Conn) timerFired() {
	if c.background.armed.Swap(false) { // releasing readGate arms it anew from now on
		c.startIfIdle()
	}
	if c.alive != nil {
		c.checkAlive()
	}
}

// startIfIdle starts the reader if no call has read since the timer was armed.
func (c *Conn) startIfIdle() {
	if !c.readGate.TryLock() {
		return
	}
	if c.recv.turns != c.background.turns.Load() {
		c.unlockRead()
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
	c.background.requested.Store(true)
	if c.readGate.TryLock() {
		go c.runBackground() // the Conn's own: it ends with a pull, the credit, or the transport
	}
}

// readIfRequested starts the reader if it was requested while the caller held readGate. Each
// goroutine that releases readGate calls it afterwards. mu must not be held.
func (c *Conn) readIfRequested() {
	if c.background.requested.Load() {
		c.startBackground()
	}
}

// startBackground starts the reader, unless another goroutine reads already or there is no reason
// to. mu must not be held.
func (c *Conn) startBackground() {
	for c.readGate.TryLock() && !c.readInBackground() && c.background.requested.Load() {
	}
}

// readInBackground hands readGate to a background reader if there is a reason to read. If not, it
// releases readGate, and reports false. mu must not be held.
func (c *Conn) readInBackground() bool {
	c.background.requested.Store(false)
	if c.mustInflate() || c.wantsInput() { // inflating takes time, which is not the caller's
		go c.runBackground() // the Conn's own: it ends with a pull, the credit, or the transport
		return true
	}
	c.freeUnused()
	c.releaseRead()
	return false
}

// runBackground is the background reader. Its starter has locked readGate.
func (c *Conn) runBackground() {
	c.background.requested.Store(false)
	for c.wantsInput() {
		c.readOnce(context.Background(), inBackground, nil)
	}
	full := c.recv.window.Credit() <= 0
	c.freeUnused()
	c.releaseRead()
	if full && c.alive != nil {
		c.checkWithin(0)
	}
	c.readIfRequested() // requestReader may have found readGate still locked
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
	return c.recv.in.sealed || c.reads.dropping.Load() || c.recv.window.Credit() > 0
}

// newTimer makes the Conn's timer, which does not run yet. It is stored before it can fire, since
// timerFired uses it.
func (c *Conn) newTimer() *time.Timer {
	t := time.AfterFunc(math.MaxInt64, c.timerFired)
	t.Stop()
	c.background.timer.Store(t)
	return t
}
