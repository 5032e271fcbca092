package peer

import (
	"cmp"
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
	paused    atomic.Pointer[chan struct{}] // closed to go on; nil: the consumers do not pause
	resumed   atomic.Int64                  // when, on the machine's clock; 0: not yet
	recovered atomic.Int64                  // how long after that, in nanoseconds; 0: not yet

	mu  sync.Mutex
	all []*consumer // guarded by mu
}

// A consumer knows the numbers of the messages it received.
type consumer struct {
	mu sync.Mutex
	// Guarded by mu.
	received, first, last int64
	at                    time.Duration // when the last one came, on the machine's clock
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
	place := p.consumers.add()
	first, last := int64(-1), int64(-1)
	var received int64
	var newest time.Duration // when the last message was due
	c.Start = func(payload []byte) {
		if len(payload) < work.Stamp {
			return // a block's end cut it, and the next one counts for it
		}
		last = int64(binary.LittleEndian.Uint64(payload))
		newest = time.Duration(binary.LittleEndian.Uint64(payload[8:]))
		if first < 0 {
			first = last - received
		}
	}
	for buf := make([]byte, p.order.block()); ; {
		if pause := p.consumers.paused.Load(); pause != nil {
			<-*pause
		}
		n, err := c.next(buf)
		if err != nil {
			return err
		}
		received += int64(n)
		p.in.Add(int64(n))
		p.consumers.received(newest, place.set(received, first, last))
	}
}

// block is how much a consumer reads in one call: what its buffer holds.
func (o Order) block() int { return min(block, cmp.Or(2*o.Buffer, block)) }

func (s *consumers) add() *consumer {
	c := &consumer{first: -1, last: -1}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, c)
	return c
}

// set notes what has come up to now, which it returns.
func (c *consumer) set(received, first, last int64) (now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received, c.first, c.last, c.at = received, first, last, proc.Now()
	return c.at
}

// received looks whether a message that came now, and was due then, is the first fresh one.
func (s *consumers) received(due, now time.Duration) {
	if resumed := s.resumed.Load(); resumed > 0 && now-due < fresh {
		s.recovered.CompareAndSwap(0, int64(now)-resumed)
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
	p.consumers.resumed.Store(int64(proc.Now()))
	if c := p.consumers.paused.Swap(nil); c != nil {
		close(*c)
	}
}

func (s *consumers) state(to *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Recovered = time.Duration(s.recovered.Load())
	for _, c := range s.all {
		c.count(to)
	}
}

func (c *consumer) count(to *State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to.Fast += c.received
	to.FastAt = max(to.FastAt, c.at)
	if c.first >= 0 {
		to.FastLost += max(0, c.last-c.first+1-c.received)
	}
}
