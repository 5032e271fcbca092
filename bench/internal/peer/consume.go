package peer

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const (
	sip   = 16 << 10              // what a slow consumer reads in one call, in bytes
	fresh = 50 * time.Millisecond // the age of a message that was not held up
)

// consumers are the fast ones of an order.
type consumers struct {
	paused atomic.Pointer[chan struct{}] // closed to go on; nil: the consumers do not pause

	mu        sync.Mutex
	all       []*consumer   // guarded by mu
	resumed   time.Duration // guarded by mu; on the machine's clock, 0: not yet
	recovered time.Duration // guarded by mu
}

// A consumer knows the numbers of the messages it received.
type consumer struct {
	received, first, last int64 // guarded by consumers.mu
}

// consume receives on connection number i: the last ones do not read at all, those before them
// slowly.
func (p *Peer) consume(i int, c *conn) error {
	switch fast := p.order.Conns - p.order.Slow - p.order.Stopped; {
	case i < fast:
		return p.consumeFast(c)
	case i < fast+p.order.Slow:
		return p.swallowSlowly(c)
	}
	return nil
}

func (p *Peer) consumeFast(c *conn) error {
	who := &consumer{first: -1, last: -1}
	p.consumers.mu.Lock()
	p.consumers.all = append(p.consumers.all, who)
	p.consumers.mu.Unlock()
	var newest time.Duration // when the last message was due
	c.Start = func(payload []byte) {
		if len(payload) < work.Stamp {
			return // a block's end cut it, and the next one counts for it
		}
		n := int64(binary.LittleEndian.Uint64(payload))
		newest = time.Duration(binary.LittleEndian.Uint64(payload[8:]))
		p.consumers.mu.Lock()
		if who.first < 0 {
			who.first = n - who.received
		}
		who.last = n
		p.consumers.mu.Unlock()
	}
	for buf := make([]byte, block); ; {
		if pause := p.consumers.paused.Load(); pause != nil {
			<-*pause
		}
		n, err := c.next(buf)
		if err != nil {
			return err
		}
		p.in.Add(int64(n))
		p.consumers.received(who, int64(n), newest)
	}
}

func (s *consumers) received(who *consumer, n int64, due time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who.received += n
	if now := proc.Now(); s.resumed > 0 && s.recovered == 0 && now-due < fresh {
		s.recovered = now - s.resumed
	}
}

// swallowSlowly receives at SlowRate.
func (p *Peer) swallowSlowly(c *conn) error {
	start, total := time.Now(), 0
	p.in.Add(int64(c.Walk(c.rest)))
	wait := time.NewTimer(0)
	for buf := make([]byte, sip); ; {
		<-wait.C
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		p.in.Add(int64(c.Walk(buf[:n])))
		if total += n; total == n {
			start = time.Now()
		}
		wait.Reset(time.Until(start.Add(time.Duration(total) * time.Second / SlowRate)))
	}
}

// Pause has the fast consumers stop.
func (p *Peer) Pause() {
	c := make(chan struct{})
	p.consumers.paused.Store(&c)
}

// Resume has them go on.
func (p *Peer) Resume() {
	p.consumers.mu.Lock()
	p.consumers.resumed = proc.Now()
	p.consumers.mu.Unlock()
	if c := p.consumers.paused.Swap(nil); c != nil {
		close(*c)
	}
}

func (s *consumers) state(to *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Recovered = s.recovered
	for _, c := range s.all {
		to.Fast += c.received
		if c.first >= 0 {
			to.FastLost += max(0, c.last-c.first+1-c.received)
		}
	}
}
