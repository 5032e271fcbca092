package soak

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/bench/internal/proc"
)

// counts are what a process has done so far.
type counts struct{ open, sent, received atomic.Int64 }

// An Order is what the process of the clients is told to do.
type Order struct {
	Load
	Conns int
	First uint64            // the number of the first connection
	Ramp  time.Duration     // from the first client's first connection to the last one's
	Addrs map[string]string // of the server
}

// Clients are all clients. Each has a connection most of the time.
type Clients struct {
	order Order
	dial  func(ctx context.Context, slot int, addr string) (net.Conn, error)
	tls   *tls.Config
	next  atomic.Uint64
	out   *outbox
	quit  chan struct{} // closed by Finish
	slots sync.WaitGroup
	counts

	mu       sync.Mutex
	sessions map[*session]struct{} // guarded by mu
	finished bool                  // guarded by mu
}

// StartClients starts the clients. Each runs in a goroutine that ends after Finish.
func StartClients(o Order, out *outbox) *Clients { return startClients(o, out, dialTCP) }

func startClients(
	o Order, out *outbox, dial func(ctx context.Context, slot int, addr string) (net.Conn, error),
) *Clients {
	c := &Clients{order: o, dial: dial, out: out, quit: make(chan struct{}),
		sessions: map[*session]struct{}{},
		// it is our own process
		tls: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(8)}}
	c.next.Store(o.First)
	for i := range o.Conns {
		c.slots.Go(func() { c.slot(i) })
	}
	return c
}

// Finish closes all connections, and waits until they have ended.
func (c *Clients) Finish() {
	c.mu.Lock()
	c.finished = true
	close(c.quit)
	for s := range c.sessions {
		go s.finish() // ends with the connection
	}
	c.mu.Unlock()
	c.slots.Wait()
}

// slot is one client: it connects again and again.
func (c *Clients) slot(i int) {
	b := backoff.ExponentialBackOff{InitialInterval: backoffFirst, Multiplier: backoffFactor,
		RandomizationFactor: backoffJitter, MaxInterval: backoffMost}
	wait := c.order.Ramp * time.Duration(i) / time.Duration(c.order.Conns)
	for away := time.Duration(0); c.pause(wait); {
		r := c.connect(i, away)
		c.out.add(r)
		opened := r.Open > 0
		if opened {
			b.Reset()
		}
		if opened && r.End.Code == goes.Code || !opened && len(r.Acts) == 0 {
			away, wait = r.Ended, b.NextBackOff()
			continue
		}
		b.Reset()
		away, wait = 0, rand.N(backoffFirst)
	}
}

// pause waits for d, and reports false if the run finishes before.
func (c *Clients) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.quit:
		return false
	case <-t.C:
		return true
	}
}

// connect makes a connection and returns its Record when it has ended.
func (c *Clients) connect(slot int, away time.Duration) Record {
	p := NewPlan(c.order.Load, c.next.Add(1)-1)
	s := &session{plan: p, side: Client, counts: &c.counts, quit: c.quit}
	s.record = Record{ID: p.ID, Side: Client, Began: proc.Now(), Away: away}
	if !c.begin(s, slot) {
		s.record.Failed, s.record.Acts = "the run is over", []Act{ActClose}
		return s.record
	}
	defer c.end(s)
	_, err := s.conn.Opened().Wait(context.Background())
	if err == nil {
		c.open.Add(1)
		defer c.open.Add(-1)
		return s.run()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.Ended, s.record.Failed = proc.Now(), reason(err)
	s.record.Error = err.Error()
	return s.record
}

// begin dials, unless the run has finished.
func (c *Clients) begin(s *session, slot int) bool {
	p := s.plan
	o := &wsstream.DialOptions{
		NetDial: func(ctx context.Context, _, addr string) (net.Conn, error) {
			nc, err := c.dial(ctx, slot, addr)
			if err != nil {
				return nil, err
			}
			nc = p.wrap(nc, s.note)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.nc = nc
			return nc, nil
		},
		TLSConfig:        c.tls,
		HandshakeTimeout: handshakeTimeout,
		CloseTimeout:     closeTimeout,
		ReadWindow:       p.window(),
		WriteWindow:      p.window(),
	}
	if p.Service == small {
		o.MaxFrameSize = smallFrame
	}
	if p.Deflate {
		o.Compression = &wsstream.CompressionOptions{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return false
	}
	s.conn = wsstream.Dial(context.Background(), p.url(c.order.Addrs[p.addrKey()]), o)
	c.sessions[s] = struct{}{}
	return true
}

func (c *Clients) end(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// reason is a short name for why a handshake has failed.
func reason(err error) string {
	if e, ok := errors.AsType[*wsstream.HandshakeError](err); ok && e.Status != 0 {
		return fmt.Sprintf("refused with %d %s", e.Status, http.StatusText(e.Status))
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "the server does not listen"
	}
	return "cut in the handshake"
}
