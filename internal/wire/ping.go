package wire

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gobwas/ws"
)

// pings are our own. Each carries a number, and a pong with that number answers it and those before it, since a peer may
// answer only the newest of several (RFC 6455, section 5.5.3).
type pings struct {
	last    uint64  // the newest's number; the first is drawn, so that a pong nobody asked for hits none
	newest  *ping   // nil for none
	unsent  *chunk  // which holds it, outside the write window; nil once that has it
	awaited []*ping // not answered, and somebody waits
}

// A ping is one of ours. It is guarded by the Conn's mu, but for trip.
type ping struct {
	nth      uint64
	waiters  int
	left     time.Time // when the transport had taken it; zero before
	front    uint64    // bytes that stood before it in our kernel at the last look; see behind
	acked    uint64    // bytes that the peer's kernel had, then
	answered bool
	trip     time.Duration // valid when back is closed
	back     chan struct{} // closed when it is answered
}

// Ping sends a ping and waits for its pong, and returns the time from when the transport had taken the one until the
// other was read. Whoever calls while one has not left shares it.
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
	c.requestReader() // somebody has to read the answer
	c.mu.Unlock()
	select {
	case <-p.back:
	case <-c.end.done.Done():
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetPingLocked(p)
	switch {
	case p.answered:
		return p.trip, nil
	case c.end.facts().over:
		return 0, c.writableEnd(c.outcomeLocked())
	}
	return 0, context.Cause(ctx)
}

// newPing makes a ping that somebody waits for, or returns the one that has not left. It expects mu to be held, as all
// below do.
func (c *Conn) newPingLocked() *ping {
	if c.send.pings == nil {
		c.send.pings = &pings{last: rand.Uint64()}
	}
	ps := c.send.pings
	if p := ps.newest; p == nil || p.answered || !p.left.IsZero() {
		ps.last++
		var payload [8]byte
		binary.BigEndian.PutUint64(payload[:], ps.last)
		ps.newest = &ping{nth: ps.last, back: make(chan struct{})}
		ps.unsent = c.send.framer.control(ws.OpPing, payload[:])
		ps.unsent.ping = ps.newest
		c.recallWriteLocked()
	}
	p := ps.newest
	if p.waiters++; p.waiters == 1 {
		ps.awaited = append(ps.awaited, p)
	}
	return p
}

// leave forgets a ping that nobody waits for any more.
func (c *Conn) forgetPingLocked(p *ping) {
	if p.waiters--; p.waiters == 0 {
		c.send.pings.awaited = slices.DeleteFunc(c.send.pings.awaited, func(q *ping) bool { return q == p })
	}
}

// pingLeft notes that the transport has taken p: its time begins.
func (c *Conn) pingLeftLocked(p *ping) {
	p.left = time.Now()
	if k := c.alive; k != nil && k.asked == p {
		k.pinged = p.left
		c.dueByLocked(p.left.Add(k.ping))
		if k.pong > 0 {
			p.acked, p.front, _ = tcpProgress(c.nc) // it may stand behind much in the kernel
			c.dueByLocked(p.left.Add(k.pong))
		}
	}
}

// behind reports whether p, which is due, still has its time before it: where our kernel tells what the peer's has
// acknowledged, a ping's time does not run while it stands behind something that moves.
func (c *Conn) behindLocked(p *ping) bool {
	acked, _, ok := tcpProgress(c.nc)
	if !ok || acked == p.acked || p.front <= aloneInKernel {
		return false
	}
	p.front -= min(p.front, acked-p.acked)
	p.acked = acked
	return true
}

// giving reports whether the transport is being given p.
func (c *Conn) givingLocked(p *ping) bool {
	return c.send.out.ping != nil && c.send.out.ping.ping == p && c.send.out.hasBegun(c.send.out.ping)
}

// lone is how much may stand in our kernel while a ping is as good as alone there: it is gone after a round trip or two.
const aloneInKernel = 4 << 10

// ponged notes a pong. One that answers nothing is ignored: it was a sign of life, and nothing else.
func (c *Conn) ponged(payload []byte) {
	if len(payload) != 8 {
		return
	}
	now, nth := time.Now(), binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	ps := c.send.pings
	if ps == nil || int64(ps.last-nth) < 0 {
		return
	}
	ps.awaited = slices.DeleteFunc(ps.awaited, func(p *ping) bool {
		if int64(nth-p.nth) < 0 || p.left.IsZero() && !c.givingLocked(p) {
			return false // the peer can foretell the number of one that it cannot have seen
		}
		left := p.left
		if left.IsZero() {
			left = epoch.Add(c.send.given) // the answer was quicker than whoever sent it
		}
		p.answered, p.trip = true, now.Sub(left)
		close(p.back)
		return true
	})
}
