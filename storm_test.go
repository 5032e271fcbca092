package wsstream_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
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
	"github.com/wsstream/wsstream/wstest/memnet"
)

// The storm calls every method of two connected Conns at random, from many goroutines, ends the connection, and goes on
// until all has ended. Then it holds what arrived beside what was accepted.
//
//	go test -run TestStorm -cpu 1,2,4,8 -count=100 .
//	go test -run TestStorm -storm.runs=100 -race .
//	go test -run TestStorm/tls/takeover/short -storm.seed=SEED .
//
// What is drawn follows from the seed, in which order the goroutines run does not. So a run that failed is run again with
// its seed, its combination's name and -count.
var (
	stormSeed = flag.Uint64("storm.seed", 0, "seed of the storm's first run; 0: drawn")
	stormRuns = flag.Uint64("storm.runs", 1, "how often the storm runs each combination")
)

// What the storm combines.
var (
	stormTransports  = []string{"bubble", "memory", "tcp", "unix", "tls", "wrapped"}
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
					p := plan{transport: transport, compression: compression, keepalive: keepalive, seed: seed + i}
					name := fmt.Sprintf("%s/%s/%s/%d", transport, compression, keepalive, p.seed)
					t.Run(name, func(t *testing.T) { brew(t, &p) })
				}
			}
		}
	}
}

// A plan is what a storm is to be.
type plan struct {
	transport, compression, keepalive string
	seed                              uint64

	side  [2]config // of the client and the server
	read  [2]string // how each is read
	end   string
	limit int  // of the transport
	calm  bool // nothing is planned that makes the end unclean
}

func (p *plan) String() string {
	s := fmt.Sprintf("%q, calm: %v, transport's limit %d", p.end, p.calm, p.limit)
	for i, c := range p.side {
		s += fmt.Sprintf("\nside %d: read by %s, windows %d, %d, frames %d, CloseTimeout %v, PingInterval %v, PongTimeout %v, "+
			"IdleTimeout %v, WriteStallTimeout %v, compression %+v", i, p.read[i], c.ReadWindow, c.WriteWindow, c.MaxFrameSize,
			c.CloseTimeout, c.PingInterval, c.PongTimeout, c.IdleTimeout, c.WriteStallTimeout, c.Compression)
	}
	return s
}

// How a side is read.
const (
	byPulls  = "pulls"         // Pull, PullInto, All, NextMessage, Messages, from several goroutines
	asStream = "NetConn"       // as a net.Conn
	late     = "late"          // by pulls, from the end on
	dropped  = "Discard"       // by pulls, and then not at all
	alone    = "one goroutine" // by pulls
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// rand returns the nth source of a run: each of its goroutines has one of its own.
func (p *plan) rand(nth int) *rand.Rand {
	h := fnv.New64()
	_, _ = fmt.Fprint(h, p.transport, p.compression, p.keepalive, nth)
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

// draw draws what is left open.
func (p *plan) draw() {
	r := p.rand(0)
	if p.limit = pick(r, 0, 1<<10, 8<<10, 64<<10); p.transport != "bubble" && p.transport != "memory" && p.limit > 0 {
		p.limit = 32 << 10 // with less a kernel waits for 200 ms now and then
	}
	p.end = pick(r, stormEnds...).name
	closeTimeout := 30 * time.Second
	if p.keepalive == "short" || r.IntN(4) == 0 {
		closeTimeout = time.Duration(10+r.IntN(300)) * time.Millisecond
	}
	p.calm = closeTimeout == 30*time.Second
	for i := range p.side {
		c := &p.side[i]
		c.ReadWindow = pick(r, 256, 1<<10, 4<<10, 64<<10, 1<<20, -1)
		c.WriteWindow = pick(r, 256, 1<<10, 4<<10, 64<<10, 1<<20, -1)
		c.MaxFrameSize = pick(r, 1+r.IntN(300), 500, 4<<10, 64<<10, -1)
		c.CloseTimeout = closeTimeout
		p.read[i] = pick(r, byPulls, byPulls, byPulls, asStream, late, dropped, alone)
		switch p.keepalive {
		case "generous":
			c.PingInterval = time.Duration(1+r.IntN(4)) * time.Millisecond
			c.PongTimeout, c.IdleTimeout, c.WriteStallTimeout = time.Minute, time.Minute, time.Minute
		case "short":
			short := func(most int) time.Duration { return time.Duration(1+r.IntN(most)) * time.Millisecond }
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
				nc.Chunk(1 + r.IntN(100))
			case 1:
				if p.transport == "bubble" {
					nc.Drip(50+r.IntN(1000), time.Duration(r.IntN(1000))*time.Microsecond)
				}
			}
		}
		return a, b
	case "unix":
		return unixPipe(t)
	case "tls":
		a, b := tcpPipe(t, p.limit)
		return tlsOver(t, a, b)
	case "wrapped":
		a, b := tcpPipe(t, p.limit)
		return peeked{TCPConn: a}, peeked{TCPConn: b}
	}
	return tcpPipe(t, p.limit)
}

// A peeked is what programs put around a connection whose first bytes they have looked at. It cannot be compared.
type peeked struct {
	*net.TCPConn
	_ []byte
}

func unixPipe(t *testing.T) (near, far net.Conn) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	near, err = net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	return near, far
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
		panic(fmt.Sprintf("storm %d of %s/%s/%s stands: %v", p.seed, p.transport, p.compression, p.keepalive, p))
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
	s.lanes[0] = newLane("to the server", s.read[1] == asStream, s.fault)
	s.lanes[1] = newLane("to the client", s.read[0] == asStream, s.fault)
	s.nets[0], s.nets[1] = s.transports(s.t, r)
	s.open()
	select {
	case <-time.After(time.Duration(r.IntN(pick(r, 1000, 10_000, 200_000))) * time.Microsecond):
	case <-s.enough:
	case <-s.conns[0].Closed().Done(): // the keepalive was faster
	case <-s.conns[1].Closed().Done():
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
				_ = conn.Stats()
			}
		}
	}
	dial := s.side[0].dial(s.nets[0])
	s.conns[0] = wsstream.Dial(s.ctx, "ws://example.test/", dial)
	s.seen[0].conn.Store(s.conns[0])
	s.begin(0)
	var err error
	s.accpt.Options = *s.side[1].accept()
	s.conns[1], err = s.accpt.AcceptConn(s.ctx, s.nets[1])
	require.NoError(s.t, err)
	s.seen[1].conn.Store(s.conns[1])
	s.begin(1)
	_, err = s.conns[0].Opened().Wait(s.ctx)
	require.NoError(s.t, err)
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
	if s.read[i] == asStream || s.read[i] == alone {
		readers = 1
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

// Ends are all that ends a connection; i is the side that does.
var stormEnds = []struct {
	name string
	calm bool // the handshake is clean if the transport and the timeouts allow
	do   func(s *storm, i int)
}{
	{"Close", true, func(s *storm, i int) { s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 1000})) }},
	{"Close with a code", true, func(s *storm, i int) {
		s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 4000, Reason: "stormy"}))
	}},
	{"Close by both", true, func(s *storm, i int) {
		s.wg.Go(func() { _ = s.conns[1-i].Close(wsstream.CloseInfo{Code: 1001}) })
		s.noError(s.conns[i].Close(wsstream.CloseInfo{}))
	}},
	{"Writable.Close", true, func(s *storm, i int) { _ = s.conns[i].Writable().Close(s.ctx) }},
	{"Shutdown", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].dropped = true })
		_ = s.conns[i].Shutdown(s.ctx, wsstream.CloseInfo{Code: 1001})
	}},
	{"Acceptor.Shutdown", true, func(s *storm, _ int) { _ = s.accpt.Shutdown(s.ctx) }},
	{"Cancel", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].dropped = true })
		s.noError(s.conns[i].Readable().Cancel(io.ErrClosedPipe))
	}},
	{"Abort", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].aborted = true })
		s.noError(s.conns[i].Writable().Abort(errAbort))
	}},
	{"Abort by both", true, func(s *storm, _ int) {
		s.note(func() { s.facts[0].aborted, s.facts[1].aborted = true, true })
		s.wg.Go(func() { _ = s.conns[0].Writable().Abort(errAbort) })
		_ = s.conns[1].Writable().Abort(errAbort)
	}},
	{"NetConn.Close", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].dropped = true })
		_ = wsstream.NetConn(s.conns[i], wsstream.TypeBinary).Close()
	}},
	{"CloseNow", false, func(s *storm, i int) {
		s.note(func() { s.facts[i] = facts{true, true, true} })
		s.conns[i].CloseNow()
	}},
	{"Close, CloseNow", false, func(s *storm, i int) {
		s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 1000}))
		s.note(func() { s.facts[i] = facts{true, true, true} })
		s.conns[i].CloseNow()
	}},
	{"the transport's end", false, func(s *storm, i int) {
		s.note(func() { s.facts[i].cut = true })
		_ = s.nets[i].Close()
	}},
	{"all", false, func(s *storm, _ int) {
		s.note(func() { s.facts = [2]facts{{true, true, true}, {true, true, true}} })
		for _, c := range s.conns {
			s.wg.Go(func() { _ = c.Close(wsstream.CloseInfo{Code: 3000}) })
			s.wg.Go(func() { _ = c.Readable().Cancel(nil) })
			s.wg.Go(func() { _ = c.Writable().Abort(errAbort) })
			s.wg.Go(func() { _ = c.Shutdown(s.ctx, wsstream.CloseInfo{}) })
			s.wg.Go(c.CloseNow)
		}
	}},
}

var errAbort = errors.New("aborted in the storm")

func (s *storm) noError(err error) {
	if err != nil {
		s.fault("%v", err)
	}
}

// check checks what is known when all has ended.
func (s *storm) check() {
	var errs [2]error
	var clean int64
	for i, c := range s.conns {
		info, err, settled := c.Closed().Peek()
		again, errAgain := c.Closed().Wait(context.Background())
		if !settled || again != info || err != errAgain {
			s.fault("Closed settled with %v, %v and then with %v, %v", info, err, again, errAgain)
		}
		if errs[i] = err; err == nil {
			clean++
		} else if e, ok := errors.AsType[*wsstream.Error](err); !ok || e.Code == 0 {
			s.fault("Closed is %v", err)
		}
		if s.calm && err != nil {
			s.fault("side %d: the end is not clean: %v", i, err)
		}
		if c.Context().Err() == nil {
			s.fault("the Context goes on")
		}
		<-c.Readable().Done()
		<-c.Writable().Done()
		s.checkStats(i)
	}
	for i, l := range s.lanes {
		complete := errs[0] == nil && errs[1] == nil && !s.facts[i].aborted && !s.facts[1-i].dropped
		l.check(complete)
		s.t.Logf("%s, %s: %v accepted, refused, unknown; %d received, complete: %v", l.name, s.end, l.counts[1:], l.whole, complete)
	}
	if m := s.meter.Totals(); m.Opened != 2 || m.Open != 0 || m.Clean != clean {
		s.fault("the Meter tells of %d opened, %d open, %d clean", m.Opened, m.Open, m.Clean)
	} else if n := s.conns[0].Stats().Received.Messages + s.conns[1].Stats().Received.Messages; m.Received.Messages != n {
		s.fault("the Meter tells of %d messages that were received, and there were %d", m.Received.Messages, n)
	}
}

// checkStats holds Stats beside what was sent and received.
func (s *storm) checkStats(i int) {
	out, in, stats := s.lanes[i], s.lanes[1-i], s.conns[i].Stats()
	c := s.side[i]
	if stats.Sent.Held != 0 || stats.Received.Held != 0 {
		s.fault("side %d: after the end %d bytes are held unsent, %d unread", i, stats.Sent.Held, stats.Received.Held)
	}
	if n, most := int64(out.counts[accepted]), int64(out.counts[accepted]+out.counts[unknown]); stats.Sent.Messages < n || stats.Sent.Messages > most {
		s.fault("side %d: Stats tells of %d messages sent, and %d to %d were", i, stats.Sent.Messages, n, most)
	}
	if n := int64(in.whole); s.read[i] != asStream && (stats.Received.Messages != n || stats.Received.Bytes != int64(in.wholeBytes) || s.seen[i].in.Load() != n) {
		s.fault("side %d: Stats tells of %d messages, %d bytes received, the Trace of %d, and there were %d, %d",
			i, stats.Received.Messages, stats.Received.Bytes, s.seen[i].in.Load(), n, in.wholeBytes)
	}
	if n := int64(out.counts[accepted]); s.seen[i].out.Load() != n {
		s.fault("side %d: the Trace tells of %d messages sent, and %d were", i, s.seen[i].out.Load(), n)
	}
	const slack = 256 // a control frame, a frame's header
	if w := c.ReadWindow; w > 0 {
		if most := max(w, in.most) + min(w, 64<<10) + slack; stats.Received.HeldMax > int64(most) {
			s.fault("side %d: %d bytes were held unread, more than %d: %+v", i, stats.Received.HeldMax, most, stats.Received)
		}
	}
	if w := c.WriteWindow; w > 0 {
		frames := 2
		if c.MaxFrameSize > 0 {
			frames += out.most / c.MaxFrameSize
		}
		most := w + out.most + out.most/50 + 14*frames + slack
		if stats.Sent.HeldMax > int64(most) {
			s.fault("side %d: %d bytes were held unsent, more than %d: %+v", i, stats.Sent.HeldMax, most, stats.Sent)
		}
	}
}

// stormCalls are what anybody may call at any time.
var stormCalls = []func(c *caller, ctx context.Context){
	func(c *caller, _ context.Context) { c.stats() },
	func(c *caller, _ context.Context) { c.totals() },
	func(c *caller, ctx context.Context) {
		if d, err := c.conn.Ping(ctx); d < 0 || err != nil && !c.ends(err) {
			c.fault("Ping: %v, %v", d, err)
		}
	},
	func(c *caller, ctx context.Context) { c.may("Flush", c.conn.Writable().Flush(ctx)) },
	func(c *caller, ctx context.Context) { c.may("Ready", c.conn.Writable().Ready(ctx)) },
	func(c *caller, _ context.Context) { _ = c.conn.Writable().DesiredSize() },
	func(c *caller, ctx context.Context) {
		if _, err := c.conn.Opened().Wait(ctx); err != nil && err != errMoment {
			c.fault("Opened: %v", err)
		}
	},
	func(c *caller, ctx context.Context) {
		some, cancel := context.WithTimeoutCause(ctx, time.Millisecond, errMoment)
		defer cancel()
		_, err := c.conn.Closed().Wait(some)
		c.may("Closed", err)
	},
	func(c *caller, _ context.Context) { _, _, _ = c.conn.Closed().Peek() },
	func(c *caller, _ context.Context) { _ = context.Cause(c.conn.Context()) },
	func(c *caller, _ context.Context) {
		if err := c.conn.Close(wsstream.CloseInfo{Code: 1005}); err == nil {
			c.fault("a code was taken that may not be sent")
		}
	},
	func(c *caller, ctx context.Context) {
		if c.conn.Writable().Write(ctx, wsstream.Text("\xff")) == nil {
			c.fault("bad text was taken")
		}
	},
	func(c *caller, _ context.Context) {
		_ = fmt.Sprint(c.conn.LocalAddr(), c.conn.RemoteAddr(), c.conn.URL(), c.conn.Duplex())
	},
	func(c *caller, _ context.Context) { _ = c.accpt.Len() },
	func(c *caller, _ context.Context) {
		select {
		case <-c.conn.Readable().Done():
		case <-c.conn.Writable().Done():
		default:
		}
	},
	func(c *caller, ctx context.Context) {
		_ = wsstream.NetConn(c.conn, wsstream.TypeText).SetDeadline(time.Now().Add(time.Millisecond))
		_ = ctx
	},
}

// A caller is a goroutine that calls methods of a Conn.
type caller struct {
	*storm
	i       int
	conn    *wsstream.Conn
	r       *rand.Rand
	haste   int // of how many calls one is followed by a pause
	out, in *lane
	long    context.Context // for several calls
	stop    context.CancelFunc
	before  wsstream.Stats
	sums    wsstream.Totals
}

// moment returns a context that ends at some moment, mostly, with errMoment.
func (c *caller) moment() (context.Context, context.CancelFunc) {
	some := time.Duration(c.r.IntN(3000)) * time.Microsecond
	switch c.r.IntN(8) {
	case 0, 1:
		return context.WithTimeoutCause(c.ctx, some, errMoment)
	case 2:
		ctx, cancel := context.WithCancelCause(c.ctx)
		t := time.AfterFunc(some, func() { cancel(errMoment) })
		return ctx, func() { t.Stop(); cancel(nil) }
	case 3:
		if c.r.IntN(10) > 0 {
			break
		}
		ctx, cancel := context.WithCancelCause(c.ctx)
		cancel(errMoment)
		return ctx, func() {}
	case 4:
		if c.long == nil || c.long.Err() != nil {
			if c.stop != nil {
				c.stop()
			}
			c.long, c.stop = context.WithTimeoutCause(c.ctx, 5*some, errMoment)
		}
		return c.long, func() {}
	}
	return c.ctx, func() {}
}

// pause lets others run, and a bubble's clock.
func (c *caller) pause() {
	if c.r.IntN(c.haste) == 0 {
		<-time.After(time.Duration(c.r.IntN(200)) * time.Microsecond)
	}
}

func (c *caller) leave() {
	if c.stop != nil {
		c.stop()
	}
}

// ends reports whether err is one that a call may fail with when its context ends, or the connection.
func (c *caller) ends(err error) bool {
	_, isError := errors.AsType[*wsstream.Error](err)
	return isError || errors.Is(err, errMoment) || errors.Is(err, wsstream.ErrClosed) || errors.Is(err, errAbort)
}

func (c *caller) may(call string, err error) {
	if err != nil && !c.ends(err) {
		c.fault("%s: %v", call, err)
	}
}

// meddle calls what neither reads nor writes.
func (c *caller) meddle() {
	defer c.leave()
	for {
		select {
		case <-c.conn.Closed().Done():
			for _, call := range stormCalls { // all are defined after the end, too
				call(c, c.ctx)
			}
			return
		default:
		}
		if c.read_() == dropped && c.r.IntN(50) == 0 {
			c.note(func() { c.facts[c.i].dropped = true })
			c.conn.Readable().Discard()
		}
		ctx, cancel := c.moment()
		stormCalls[c.r.IntN(len(stormCalls))](c, ctx)
		cancel()
		c.pause()
		if c.r.IntN(20) == 0 {
			<-time.After(time.Microsecond)
		}
	}
}

func (c *caller) read_() string { return c.storm.read[c.i] }

// stats checks that what Stats tells never falls.
func (c *caller) stats() {
	s := c.conn.Stats()
	c.rises(c.before.Received, s.Received)
	c.rises(c.before.Sent, s.Sent)
	c.before = s
}

func (c *caller) rises(before, f wsstream.Flow) {
	if f.Messages < before.Messages || f.Bytes < before.Bytes || f.HeldMax < before.HeldMax || f.Stalled < before.Stalled || f.Held < 0 {
		c.fault("Stats: %+v after %+v", f, before)
	}
}

func (c *caller) totals() {
	s := c.meter.Totals()
	c.rises(c.sums.Received, s.Received)
	c.rises(c.sums.Sent, s.Sent)
	c.sums = s
}

// size draws the size of a message: most are small.
func (c *caller) size() int {
	most := 64 << 10
	if n := c.side[c.i].MaxFrameSize; n > 0 {
		most = min(most, 200*n)
	}
	if n := c.side[1-c.i].ReadWindow; n > 0 {
		most = min(most, 100*n)
	}
	switch c.r.IntN(20) {
	case 0:
		return stormHeader + c.r.IntN(4*most)
	case 1, 2, 3:
		return stormHeader + c.r.IntN(most/8+1)
	}
	return stormHeader + c.r.IntN(200)
}

var stormPrepared = func() (m [4]wsstream.Message) {
	for n := range m {
		t := stormType(shared, n, n >= 2)
		m[n] = wsstream.Message{Type: t, Data: stormPayload(t, shared, n, 20+n*3000)}.Prepare()
	}
	return m
}()

// write writes messages by all ways there are until the Writable ends.
func (c *caller) write(id int) {
	defer c.leave()
	stream := wsstream.NetConn(c.conn, wsstream.TypeBinary)
	for {
		switch n := c.still.Add(-1); {
		case n == 0:
			close(c.enough)
		case n < 0: // enough, for the time being
			select {
			case <-c.ended:
			case <-c.conn.Writable().Done():
			case <-time.After(time.Millisecond):
			}
		}
		ctx, cancel := c.moment()
		err := c.writeOne(ctx, id, stream)
		cancel()
		if err != nil && err != errMoment && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.may("Write", err)
			return
		}
		c.pause()
	}
}

func (c *caller) writeOne(ctx context.Context, id int, stream net.Conn) error {
	w := c.conn.Writable()
	way := c.r.IntN(10)
	if way == 0 {
		n := c.r.IntN(len(stormPrepared))
		m := stormPrepared[n]
		if m.Type != stormType(shared, n, c.out.onlyBinary) {
			return nil
		}
		k := stormKey{shared, n}
		if c.r.IntN(2) == 0 {
			ok, err := w.TryWrite(m)
			return c.settleTry("TryWrite", k, len(m.Data), ok, err)
		}
		err := w.Write(ctx, m)
		c.settle("Write", k, len(m.Data), err)
		return err
	}
	k, m := c.out.make(id, c.size())
	switch way {
	case 1, 2:
		ok, err := w.TryWrite(m)
		return c.settleTry("TryWrite", k, len(m.Data), ok, err)
	case 3:
		return c.writeParts(ctx, k, m)
	case 4:
		m = m.Prepare()
	case 5:
		m.NoCompress = true
	case 6:
		if m.Type != wsstream.TypeBinary {
			break
		}
		if c.r.IntN(2) == 0 {
			_ = stream.SetWriteDeadline(time.Now().Add(time.Duration(c.r.IntN(3000)) * time.Microsecond))
		}
		_, err := stream.Write(m.Data)
		_ = stream.SetWriteDeadline(time.Time{})
		c.settle("NetConn", k, len(m.Data), err)
		return err
	}
	err := w.Write(ctx, m)
	c.settle("Write", k, len(m.Data), err)
	return err
}

// settle notes what became of a message whose Write has returned err.
func (c *caller) settle(how string, k stormKey, size int, err error) {
	switch {
	case err == nil:
		c.out.settle(how, k, accepted, size)
	case err == errMoment, errors.Is(err, os.ErrDeadlineExceeded):
		c.out.settle(how, k, refused, size)
	default:
		c.out.settle(how, k, unknown, size)
	}
}

func (c *caller) settleTry(how string, k stormKey, size int, ok bool, err error) error {
	switch {
	case ok:
		c.out.settle(how, k, accepted, size)
	case err == nil:
		c.out.settle(how, k, refused, size)
	default:
		c.out.settle(how, k, unknown, size)
	}
	return err
}

// writeParts writes a message in parts. One whose context ends is closed where it has come to.
func (c *caller) writeParts(ctx context.Context, k stormKey, m wsstream.Message) error {
	const how = "NewMessage"
	if c.out.onlyBinary || m.Type == wsstream.TypeText { // which must not end in the middle
		ctx = c.ctx
	}
	w, err := c.conn.Writable().NewMessage(ctx, m.Type)
	if err != nil {
		c.out.settle(how, k, refused, len(m.Data))
		return err
	}
	if c.r.IntN(4) == 0 {
		w.NoCompress()
	}
	sent := 0
	for sent < len(m.Data) && err == nil {
		var n int
		n, err = w.Write(m.Data[sent : sent+1+c.r.IntN(len(m.Data)-sent)])
		sent += n
		c.pause()
	}
	if end := w.Close(); end != nil {
		c.out.settle(how, k, unfinished, len(m.Data))
		return end
	}
	if err != nil && err != errMoment {
		c.fault("MessageWriter: Write: %v; Close: nil", err)
	}
	c.out.settle(how, k, accepted, sent)
	return err
}

// read reads by all ways there are until the Readable ends.
func (c *caller) read() {
	defer c.leave()
	switch c.read_() {
	case asStream:
		c.readStream()
		return
	case late:
		select {
		case <-c.ended:
		case <-c.conn.Readable().Done():
		}
	}
	v := c.in.viewer()
	var m wsstream.Message
	for {
		ctx, cancel := c.moment()
		err := c.readSome(ctx, v, &m)
		cancel()
		switch {
		case err == nil, err == errMoment:
		case err == wsstream.ErrBusy:
			<-time.After(time.Microsecond)
		default:
			c.checkEnd(err)
			return
		}
		c.pause()
	}
}

// checkEnd checks what pulls end with.
func (c *caller) checkEnd(err error) {
	if _, isError := errors.AsType[*wsstream.Error](err); err != io.EOF && !isError {
		c.fault("pulls end with %v", err)
	}
	c.note(func() {
		if c.last[c.i] == nil {
			c.last[c.i] = err
		}
		if c.last[c.i] != err {
			c.faults = append(c.faults, fmt.Sprintf("pulls end with %v and with %v", c.last[c.i], err))
		}
	})
	if _, again := c.conn.Readable().Pull(c.ctx); again != err {
		c.fault("a Pull ended with %v and the next with %v", err, again)
	}
}

func (c *caller) readSome(ctx context.Context, v *viewer, m *wsstream.Message) error {
	r := c.conn.Readable()
	switch c.r.IntN(8) {
	case 0, 1, 2:
		m, err := r.Pull(ctx)
		if err == nil {
			v.receive("Pull", m.Type, m.Data, true)
		}
		return err
	case 3, 4:
		err := r.PullInto(ctx, m)
		if err == nil {
			v.receive("PullInto", m.Type, m.Data, true)
		}
		return err
	case 5:
		n := c.r.IntN(5)
		for m, err := range r.All(ctx) {
			if err != nil {
				return err
			}
			v.receive("All", m.Type, m.Data, true)
			if n--; n < 0 {
				break
			}
		}
		return nil // a clean end comes again
	case 6:
		n := c.r.IntN(5)
		for m, err := range r.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.readParts(ctx, v, m); err != nil {
				return nil // it comes again
			}
			if n--; n < 0 {
				break
			}
		}
		return nil
	}
	p, err := r.NextMessage(ctx)
	if err != nil {
		return err
	}
	_ = c.readParts(ctx, v, p)
	return nil
}

// readParts reads a message in parts, or some of it.
func (c *caller) readParts(ctx context.Context, v *viewer, m *wsstream.MessageReader) error {
	got := new(limited)
	got.limit = 1 << 30
	if c.r.IntN(4) == 0 {
		got.limit = c.r.IntN(300)
	}
	var err error
	how := "Read"
	if c.r.IntN(3) == 0 {
		how = "WriteTo"
		_, err = m.WriteTo(got)
		if err == nil {
			err = io.EOF
		}
	} else {
		err = c.readLoop(m, got)
	}
	switch {
	case err == io.EOF:
		v.receive(how, m.Type(), got.b, true)
		_ = m.Close()
		return nil
	case err == errLimit, err == errMoment:
		t := m.Type()
		_ = m.Close()
		v.receive(how+": "+err.Error(), t, got.b, false)
		if _, err := m.Read(make([]byte, 1)); err == nil {
			c.fault("a reader that was closed reads on")
		}
		return nil
	}
	_ = m.Close()
	if err != io.ErrUnexpectedEOF && !c.ends(err) {
		c.fault("MessageReader: %v", err)
	}
	return err
}

func (c *caller) readLoop(m *wsstream.MessageReader, got *limited) error {
	for {
		b := make([]byte, c.r.IntN(1+pick(c.r, 10, 100, 100_000)))
		n, err := m.Read(b)
		if _, full := got.Write(b[:n]); full != nil {
			return full
		}
		if err != nil {
			return err
		}
		c.pause()
	}
}

// A limited takes so many bytes.
type limited struct {
	b     []byte
	limit int
}

var errLimit = errors.New("that is enough")

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.limit-len(l.b))
	l.b = append(l.b, b[:n]...)
	if n < len(b) {
		return n, errLimit
	}
	return n, nil
}

// readStream reads all as a stream of bytes.
func (c *caller) readStream() {
	v, nc := c.in.viewer(), wsstream.NetConn(c.conn, wsstream.TypeBinary)
	var got []byte
	for {
		if c.r.IntN(3) == 0 {
			_ = nc.SetReadDeadline(time.Now().Add(time.Duration(c.r.IntN(3000)) * time.Microsecond))
		}
		b := make([]byte, 1+c.r.IntN(pick(c.r, 10, 1000, 100_000)))
		n, err := nc.Read(b)
		_ = nc.SetReadDeadline(time.Time{})
		got = append(got, b[:n]...)
		for len(got) >= stormHeader {
			_, _, size, err := parseStorm(got)
			if err != nil {
				c.fault("%v", err)
				return
			}
			if len(got) < size {
				break
			}
			v.receive("NetConn", wsstream.TypeBinary, got[:size], false) // its last frame may lack
			got = got[size:]
		}
		switch _, isError := errors.AsType[*wsstream.Error](err); {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case err == io.EOF, err == io.ErrUnexpectedEOF, isError:
			return
		default:
			c.fault("NetConn.Read: %v", err)
			return
		}
		c.pause()
	}
}
