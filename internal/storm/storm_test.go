package storm_test

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// The storm calls every method of two connected Conns at random, from many goroutines. It ends
// the connection, and goes on until everything has ended. Then it compares what arrived with what
// was accepted. A normal run takes a few seconds. These run it hundreds of times:
//
//	go test -cpu 1,2,4,8 -count=100 ./internal/storm
//	go test -race ./internal/storm -storm.runs=100
//	go test -run TestStorm/tls/takeover/short ./internal/storm -storm.seed=SEED
//
// The seed decides what is drawn, but not in which order the goroutines run. The name of a run
// that failed ends with its seed. Repeat it with that, its combination's name and -count.
var (
	stormSeed = flag.Uint64("storm.seed", 0, "seed of the storm's first run; 0: drawn")
	stormRuns = flag.Uint64("storm.runs", 1, "how often the storm runs each combination")
)

// What the storm combines.
var (
	stormTransports  = []string{"bubble", "memory", "tcp", "unix", "tls", "wrapped", "relay"}
	stormCompression = []string{"plain", "takeover", "no-takeover"}
	stormKeepalive   = []string{"none", "generous", "short"}
)

func TestStorm(t *testing.T) {
	seed := *stormSeed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	for _, transport := range stormTransports {
		for _, compression := range stormCompression {
			for _, keepalive := range stormKeepalive {
				for i := range *stormRuns {
					p := plan{transport: transport, compression: compression, keepalive: keepalive}
					p.seed = seed + i
					t.Run(p.name(), func(t *testing.T) { brew(t, &p) })
				}
			}
		}
	}
}

// A plan is what a storm is to be.
type plan struct {
	transport, compression, keepalive string
	seed                              uint64

	side    [2]wsstream.DialOptions // of the client and the server
	reading [2]string               // how each is read
	end     string
	limit   int         // of the transport
	chunk   int         // bytes that come from it together at the most; 0: all there are
	relay   *stormRelay // between both, or nil
	breaks  string      // what the relay breaks at the end; "" for nothing
	calm    bool        // nothing is planned that makes the end unclean
}

func (p *plan) String() string {
	s := fmt.Sprintf("%q, breaks %q, calm: %v, transport's limit %d",
		p.end, p.breaks, p.calm, p.limit)
	for i, c := range p.side {
		s += fmt.Sprintf("\nside %d: read by %s, windows %d and %d, frames of %d, CloseTimeout %v, "+
			"PingInterval %v, PongTimeout %v, IdleTimeout %v, WriteStallTimeout %v, compression %+v",
			i, p.reading[i], c.ReadWindow, c.WriteWindow, c.MaxFrameSize, c.CloseTimeout,
			c.PingInterval, c.PongTimeout, c.IdleTimeout, c.WriteStallTimeout, c.Compression)
	}
	return s
}

// How a side is read.
const (
	byPulls  = "pulls"         // of all kinds, from several goroutines
	asStream = "NetConn"       // as a net.Conn
	late     = "late"          // by pulls, from the end on
	dropped  = "Discard"       // by pulls, and then not at all
	alone    = "one goroutine" // by pulls
	handled  = "Handle"        // by a message handler
	turned   = "pulls, Handle" // by pulls of all kinds, until a message handler takes over
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (p *plan) name() string {
	return fmt.Sprintf("%s/%s/%s/%d", p.transport, p.compression, p.keepalive, p.seed)
}

// rand returns the nth source of a run: each of its goroutines has one of its own.
func (p *plan) rand(nth int) *rand.Rand {
	h := fnv.New64()
	_, _ = fmt.Fprint(h, p.name(), nth)
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

// draw draws what is left open.
func (p *plan) draw() {
	r := p.rand(0)
	p.limit = pick(r, 0, 1<<10, 8<<10, 64<<10)
	if p.limit > 0 && p.transport != "bubble" && p.transport != "memory" {
		p.limit = 32 << 10 // with less a kernel waits for 200 ms now and then
	}
	p.end = pick(r, stormEnds...).name
	if p.transport == "relay" && r.IntN(2) == 0 {
		p.breaks = pick(r, stormBreaches...)
	}
	closeTimeout := 30 * time.Second
	if p.breaks != "" || p.keepalive == "short" || r.IntN(4) == 0 {
		closeTimeout = time.Duration(10+r.IntN(300)) * time.Millisecond
	}
	p.calm = closeTimeout == 30*time.Second
	for i := range p.side {
		c := &p.side[i]
		c.ReadWindow = pick(r, 256, 1<<10, 4<<10, 64<<10, 1<<20, -1)
		c.WriteWindow = pick(r, 256, 1<<10, 4<<10, 64<<10, 1<<20, -1)
		c.MaxFrameSize = pick(r, 1+r.IntN(300), 500, 4<<10, 64<<10, -1)
		c.CloseTimeout = closeTimeout
		p.reading[i] = pick(r, byPulls, byPulls, asStream, late, dropped, alone, handled, handled, turned)
		switch p.keepalive {
		case "generous":
			c.PingInterval = time.Duration(1+r.IntN(4)) * time.Millisecond
			c.PongTimeout, c.IdleTimeout, c.WriteStallTimeout = time.Minute, time.Minute, time.Minute
		case "short":
			short := func(most int) time.Duration {
				return time.Duration(1+r.IntN(most)) * time.Millisecond
			}
			c.PingInterval = short(4)
			c.PongTimeout = pick(r, -1, short(20))
			c.IdleTimeout = pick(r, 0, short(30))
			c.WriteStallTimeout = pick(r, 0, short(30))
			p.calm = false
		}
		switch o := (wsstream.CompressionOptions{Threshold: pick(r, -1, 0, 20)}); p.compression {
		case "takeover":
			o.WindowBits = pick(r, 0, 9, 15)
			c.Compression = &o
		case "no-takeover":
			o.NoContextTakeover, o.PeerNoContextTakeover = true, true
			c.Compression = &o
		}
	}
}

// transports returns the two ends of the planned transport.
func (p *plan) transports(t *testing.T, r *rand.Rand) (near, far net.Conn) {
	switch p.transport {
	case "bubble", "memory":
		a, b := memnet.Pipe(p.limit)
		for _, nc := range []*memnet.Conn{a, b} {
			switch r.IntN(4) {
			case 0:
				p.chunk = 1 + r.IntN(100)
				nc.Chunk(p.chunk)
			case 1:
				if p.transport == "bubble" {
					p.chunk = 50 + r.IntN(1000)
					nc.Drip(p.chunk, time.Duration(r.IntN(1000))*time.Microsecond)
				}
			}
		}
		return a, b
	case "unix":
		return pipes.Unix(t)
	case "relay":
		return p.relayed(t, r)
	case "tls":
		a, b := pipes.TCP(t, p.limit)
		if r.IntN(3) == 0 {
			return pipes.OverTLS(t, peeked{TCPConn: a}, peeked{TCPConn: b})
		}
		return pipes.OverTLS(t, a, b)
	case "wrapped":
		a, b := pipes.TCP(t, p.limit)
		return peeked{TCPConn: a}, peeked{TCPConn: b}
	}
	return pipes.TCP(t, p.limit)
}

// A peeked is what programs put around a connection whose first bytes they have looked at. Two of
// them cannot be compared with ==.
type peeked struct {
	*net.TCPConn
	_ []byte
}

// A storm is one run.
type storm struct {
	*plan
	t      *testing.T
	ctx    context.Context // for what must return
	conns  [2]*wsstream.Conn
	nets   [2]net.Conn
	accpt  wsstream.Acceptor
	lanes  [2]*lane // from the client, and from the server
	meter  wsstream.Meter
	seen   [2]witness
	wg     sync.WaitGroup
	ended  chan struct{} // closed when the end was decided
	still  atomic.Int64  // messages to be sent until then
	enough chan struct{} // closed when they were

	mu     sync.Mutex
	faults []string
	facts  [2]facts
	last   [2]error // what pulls end with
}

// facts are what was called on a side.
type facts struct {
	dropped bool // what comes
	aborted bool // what was accepted
	cut     bool
}

// A witness is what the hooks of a side were told.
type witness struct {
	in, out atomic.Int64
	stalled [3]atomic.Bool
	conn    atomic.Pointer[wsstream.Conn]
}

func (s *storm) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 10 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

func (s *storm) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// brew runs one storm.
func brew(t *testing.T, p *plan) {
	p.draw()
	guard := time.AfterFunc(3*time.Minute, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("storm %s stands: %v", p.name(), p))
	})
	defer guard.Stop()
	if p.transport == "bubble" {
		synctest.Test(t, func(t *testing.T) { (&storm{plan: p, t: t}).run() })
		return
	}
	before := goleak.IgnoreCurrent()
	(&storm{plan: p, t: t}).run()
	require.NoError(t, goleak.Find(before), "something runs on: %v", p)
}

func (s *storm) run() {
	r := s.rand(1)
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stands := time.AfterFunc(50*time.Second, func() {
		b := make([]byte, 1<<20)
		s.t.Logf("it stands:\n%s", b[:runtime.Stack(b, true)])
	})
	defer stands.Stop()
	s.ended = make(chan struct{})
	s.enough = make(chan struct{})
	s.still.Store(int64(1 + r.IntN(pick(r, 30, 300, 3000))))
	s.lanes[0] = newLane("to the server", s.reading[1] == asStream, s.fault)
	s.lanes[1] = newLane("to the client", s.reading[0] == asStream, s.fault)
	s.nets[0], s.nets[1] = s.transports(s.t, r)
	s.open()
	select {
	case <-time.After(time.Duration(r.IntN(pick(r, 1000, 10_000, 200_000))) * time.Microsecond):
	case <-s.enough:
	case <-s.conns[0].Closed().Done(): // the keepalive was faster
	case <-s.conns[1].Closed().Done():
	}
	if s.breaks != "" {
		close(s.relay.broken)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.conns[0].Closed().Done():
		case <-s.conns[1].Closed().Done():
		}
	}
	close(s.ended)
	actor := r.IntN(2)
	for _, e := range stormEnds {
		if e.name == s.end {
			s.calm = s.calm && e.calm
			e.do(s, actor)
		}
	}
	s.wg.Wait()
	if s.relay != nil {
		s.relay.end()
	}
	s.check()
	require.NoError(s.t, s.ctx.Err(), "a call did not return: %v", s.plan)
	require.Empty(s.t, s.faults, "%v", s.plan)
}

// open makes both Conns. What is called on the client's begins before its handshake is done.
func (s *storm) open() {
	for i := range s.side {
		c := &s.side[i]
		c.Meter, c.Trace = &s.meter, s.seen[i].trace(s)
		c.OnPing = func([]byte) { // which may ask for what was received
			if conn := s.seen[i].conn.Load(); conn != nil {
				_, _, _ = conn.Stats(), s.meter.Totals(), conn.Writable().DesiredSize()
			}
		}
	}
	dial := s.side[0]
	dial.NetDial = func(context.Context, string, string) (net.Conn, error) { return s.nets[0], nil }
	s.conns[0] = wsstream.Dial(s.ctx, "ws://example.test/", &dial)
	s.seen[0].conn.Store(s.conns[0])
	s.begin(0)
	var err error
	s.accpt.Options = accepting(s.side[1])
	s.conns[1], err = s.accpt.AcceptConn(s.ctx, s.nets[1])
	require.NoError(s.t, err)
	s.seen[1].conn.Store(s.conns[1])
	s.begin(1)
	_, err = s.conns[0].Opened().Wait(s.ctx)
	require.NoError(s.t, err)
}

// accepting returns the options that draw and open set, as a server's.
func accepting(o wsstream.DialOptions) wsstream.AcceptOptions {
	return wsstream.AcceptOptions{
		ReadWindow:        o.ReadWindow,
		WriteWindow:       o.WriteWindow,
		MaxFrameSize:      o.MaxFrameSize,
		CloseTimeout:      o.CloseTimeout,
		PingInterval:      o.PingInterval,
		PongTimeout:       o.PongTimeout,
		IdleTimeout:       o.IdleTimeout,
		WriteStallTimeout: o.WriteStallTimeout,
		Compression:       o.Compression,
		Meter:             o.Meter,
		Trace:             o.Trace,
		OnPing:            o.OnPing,
	}
}

func (w *witness) trace(s *storm) *wsstream.Trace {
	return &wsstream.Trace{
		MessageIn:  func(*wsstream.Conn, wsstream.Type, int64) { w.in.Add(1) },
		MessageOut: func(*wsstream.Conn, wsstream.Type, int64) { w.out.Add(1) },
		StallBegan: func(_ *wsstream.Conn, d wsstream.Direction) {
			if w.stalled[d].Swap(true) {
				s.fault("%v: a stall began in a stall", d)
			}
		},
		StallEnded: func(_ *wsstream.Conn, d wsstream.Direction, _ time.Duration) {
			if !w.stalled[d].Swap(false) {
				s.fault("%v: a stall ended that had not begun", d)
			}
		},
	}
}

// begin starts what is called on a side.
func (s *storm) begin(i int) {
	writers, readers := 3, 3
	switch s.reading[i] {
	case asStream, alone, handled:
		readers = 1
	case turned:
		s.start(i, 15, (*caller).handle)
	}
	for j := range writers {
		s.start(i, j, func(c *caller) { c.write(10*i + j) })
	}
	for j := range readers {
		s.start(i, 10+j, (*caller).read)
	}
	for j := range 3 {
		s.start(i, 20+j, (*caller).meddle)
	}
}

func (s *storm) start(i, nth int, f func(c *caller)) {
	c := &caller{
		storm: s,
		i:     i,
		conn:  s.conns[i],
		r:     s.rand(2 + 100*i + nth),
		out:   s.lanes[i],
		in:    s.lanes[1-i],
	}
	c.haste = pick(c.r, 2, 4, 16, 64)
	s.wg.Go(func() { f(c) })
}
