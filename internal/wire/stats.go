package wire

import (
	"time"

	"github.com/wsstream/wsstream/internal/credit"
	"github.com/wsstream/wsstream/internal/latch"
)

// A Flow has the figures of one direction.
type Flow struct {
	Messages, Bytes int64         // whole messages, and their payload bytes
	Held, HeldMax   int64         // bytes on the wire that the window charges, now and at most
	Stalled         time.Duration // how long the window was full
}

// Stats returns what was received and sent so far.
func (c *Conn) Stats() (received, sent Flow) {
	r := c.receivedSoFar()
	c.mu.Lock()
	s := c.send.total
	c.mu.Unlock()
	return r.flow(&c.recv.window), tally{count: s}.flow(&c.writeWindow.Account)
}

func (t tally) flow(a *credit.Account) Flow {
	held, most, stalled := a.Usage()
	return Flow{
		Messages: t.messages,
		Bytes:    t.bytes,
		Held:     held,
		HeldMax:  max(most, t.most),
		Stalled:  stalled,
	}
}

// receivedSoFar returns the tally of the holder of readGate. Counting costs a pull no atomic
// operation. Instead the caller of Stats waits while a pull runs, until that pull waits for the
// transport, or releases readGate.
func (c *Conn) receivedSoFar() tally {
	if c.readGate.TryLock() {
		c.account()
		t := c.recv.received
		c.recv.turns-- // a program that asks often must not keep the background reader from starting
		c.unlockRead()
		return t
	}
	c.mu.Lock()
	if runs := c.wait.kind == notWaiting || c.wait.kind == inPoller; runs && !c.wait.inHook {
		asked := c.reads.statsAsked.Load()
		if asked == nil {
			asked = new(latch.Latch)
			c.reads.statsAsked.Store(asked)
		}
		c.mu.Unlock()
		c.answerStats() // the holder may have released readGate before it could see the question
		<-asked.Done()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	return c.wait.received
}
