package wire

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gobwas/ws"
)

// pings are our own. Each carries a number. A pong with that number answers the ping and those
// before it, since a peer may answer only the newest of several. mu guards them.
//
// RFC 6455, section 5.5.3.
type pings struct {
	last    uint64  // the newest's number; the first is random, so that no unasked pong matches
	newest  *ping   // nil for none
	unsent  *chunk  // with the newest, until the outbox has it; outside the write window
	leaving *ping   // the one in the outbox, or the last that was there
	awaited []*ping // not answered, and a call waits for the answer
}

// A ping is one of our pings. mu guards its fields, except trip.
type ping struct {
	nth      uint64
	waiters  int
	left     instant // when the transport had taken it; 0 before
	front    uint64  // bytes in front of it in our kernel at the last check; see behindLocked
	acked    uint64  // bytes that the peer's kernel had then
	answered bool
	trip     time.Duration // valid when back is closed
	back     chan struct{} // closed when it is answered
}

// enter moves the unsent ping into the outbox, if that is possible now.
func (ps *pings) enter(out *outbox) {
	if out.insertFirst(ps.unsent) {
		out.ping, ps.unsent, ps.leaving = ps.unsent, nil, ps.newest
	}
}

// Ping sends a ping and waits for its pong. It returns the time from when the transport had taken
// the ping until the pong was read. Calls share a ping that the transport has not been given. So
// the peer answers after the call began.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if err := c.causeOf(ctx); err != nil {
		return 0, err
	}
	c.mu.Lock()
	if c.stoppedLocked() {
		c.mu.Unlock()
		return 0, c.whyNotWritten(ctx)
	}
	p := c.newPingLocked()
	c.sendRelocks()
	c.requestReader() // the answer must be read
	c.mu.Unlock()
	select {
	case <-p.back:
	case <-c.end.done.Done():
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send.pings.forget(p)
	switch {
	case p.answered:
		return p.trip, nil
	case c.end.facts().over:
		return 0, c.writableEnd(c.outcomeLocked())
	}
	return 0, context.Cause(ctx)
}

// newPingLocked returns a ping for a call that waits for its answer: the one that the transport has
// not been given, or a new one.
func (c *Conn) newPingLocked() *ping {
	if c.send.pings == nil {
		c.send.pings = &pings{last: rand.Uint64()}
	}
	ps := c.send.pings
	if p := ps.newest; p == nil || p.answered || p.left != 0 || c.givingLocked(p) {
		ps.last++
		var payload [8]byte
		binary.BigEndian.PutUint64(payload[:], ps.last)
		ps.newest = &ping{nth: ps.last, back: make(chan struct{})}
		ps.unsent = c.send.framer.control(ws.OpPing, payload[:])
		c.recallWriteLocked()
	}
	p := ps.newest
	if p.waiters++; p.waiters == 1 {
		ps.awaited = append(ps.awaited, p)
	}
	return p
}

// forget notes that a call waits for p no more.
func (ps *pings) forget(p *ping) {
	if p.waiters--; p.waiters == 0 {
		ps.awaited = slices.DeleteFunc(ps.awaited, func(q *ping) bool { return q == p })
	}
}

// pingLeftLocked notes that the transport has taken the ping in the outbox. Its time begins.
func (c *Conn) pingLeftLocked() {
	p := c.send.pings.leaving
	p.left = clock()
	if k := c.alive; k != nil && k.asked == p {
		k.pinged = p.left
		c.dueByLocked(p.left.add(k.ping))
		if k.pong > 0 {
			p.acked, p.front, _ = tcpProgress(c.nc) // many bytes may be in front of it in our kernel
			c.dueByLocked(p.left.add(k.pong))
		}
	}
}

// behindLocked reports whether p's pong timer must restart, because data queued before p in our
// kernel is still being acknowledged. It reports false if the kernel does not tell.
func (c *Conn) behindLocked(p *ping) bool {
	acked, _, ok := tcpProgress(c.nc)
	if !ok || acked == p.acked || p.front <= aloneInKernel {
		return false
	}
	p.front -= min(p.front, acked-p.acked)
	p.acked = acked
	return true
}

// givingLocked reports whether the transport is being given p.
func (c *Conn) givingLocked(p *ping) bool {
	out := &c.send.out
	return out.ping != nil && c.send.pings.leaving == p && out.hasBegun(out.ping)
}

// takePong notes a pong. One that answers no ping is a sign of life, and nothing else.
func (c *Conn) takePong(payload []byte) {
	if len(payload) != 8 {
		return
	}
	now, nth := clock(), binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	ps := c.send.pings
	if ps == nil || int64(ps.last-nth) < 0 {
		return
	}
	ps.awaited = slices.DeleteFunc(ps.awaited, func(p *ping) bool {
		if int64(nth-p.nth) < 0 || p.left == 0 && !c.givingLocked(p) {
			return false // the peer can predict the number of a ping that it cannot have seen
		}
		left := p.left
		if left == 0 {
			left = c.send.given // the sender has not noted yet that it left
		}
		p.answered, p.trip = true, now.sub(left)
		close(p.back)
		return true
	})
}
