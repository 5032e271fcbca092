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

// The storm calls every method of two connected Conns at random, from many goroutines. It ends
// the connection, and goes on until everything has ended. Then it compares what arrived with what
// was accepted. A normal run takes a few seconds. These run it hundreds of times:
//
//	go test -run TestStorm -cpu 1,2,4,8 -count=100 .
//	go test -run TestStorm -storm.runs=100 -race .
//	go test -run TestStorm/tls/takeover/short -storm.seed=SEED .
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

	side    [2]config // of the client and the server
	reading [2]string // how each is read
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
		p.reading[i] = pick(r, byPulls, byPulls, byPulls, asStream, late, dropped, alone)
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
		return unixPipe(t)
	case "relay":
		return p.relayed(t, r)
	case "tls":
		a, b := tcpPipe(t, p.limit)
		if r.IntN(3) == 0 {
			return tlsOver(t, peeked{TCPConn: a}, peeked{TCPConn: b})
		}
		return tlsOver(t, a, b)
	case "wrapped":
		a, b := tcpPipe(t, p.limit)
		return peeked{TCPConn: a}, peeked{TCPConn: b}
	}
	return tcpPipe(t, p.limit)
}

// A peeked is what programs put around a connection whose first bytes they have looked at. Two of
// them cannot be compared with ==.
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
	if s.reading[i] == asStream || s.reading[i] == alone {
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
	{"Close", true, func(s *storm, i int) {
		s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 1000}))
	}},
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
	{"Fail", true, func(s *storm, i int) {
		_ = s.conns[i].Writable().Fail(s.ctx, errAbort)
	}},
	{"Abort by both", true, func(s *storm, _ int) {
		s.note(func() { s.facts[0].aborted, s.facts[1].aborted = true, true })
		s.wg.Go(func() { _ = s.conns[0].Writable().Abort(errAbort) })
		_ = s.conns[1].Writable().Abort(errAbort)
	}},
	{cutText, false, func(s *storm, i int) {
		if s.lanes[i].onlyBinary {
			_ = s.conns[i].Writable().Fail(s.ctx, errAbort)
		} else if m, err := s.conns[i].Writable().NewMessage(s.ctx, wsstream.TypeText); err == nil {
			_, err = m.Write([]byte("\xe2"))
			if m.Close() == nil && err == nil {
				s.fault("text that ends inside a character was sent")
			}
		}
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

const cutText = "text message was closed inside a character"

var errAbort = errors.New("aborted in the storm")

func (s *storm) noError(err error) {
	if err != nil {
		s.fault("%v", err)
	}
}

// check checks what is known when all has ended.
func (s *storm) check() {
	var clean int64
	for i, c := range s.conns {
		info, err, settled := c.Closed().Peek()
		again, errAgain := c.Closed().Wait(context.Background())
		if !settled || again != info || err != errAgain {
			s.fault("Closed settled with %v, %v and then with %v, %v", info, err, again, errAgain)
		}
		if err == nil {
			clean++
		} else if e, ok := errors.AsType[*wsstream.Error](err); !ok || e.Code == 0 {
			s.fault("Closed is %v", err)
		}
		if s.calm && err != nil {
			s.fault("side %d: the end is not clean: %v", i, err)
		}
		select {
		case <-c.Context().Done(): // a moment after Closed
		case <-s.ctx.Done():
			s.fault("the Context goes on")
		}
		<-c.Readable().Done()
		<-c.Writable().Done()
		s.checkStats(i)
	}
	for i, l := range s.lanes {
		complete := clean == 2 && s.breaks == "" && !s.facts[i].aborted && !s.facts[1-i].dropped
		l.check(complete)
		s.t.Logf("%s, %s: %v accepted, refused, unknown, unfinished; %d came whole; complete: %v",
			l.name, s.end, l.counts[1:], l.whole, complete)
	}
	if m := s.meter.Totals(); m.Opened != 2 || m.Open != 0 || m.Clean != clean {
		s.fault("the Meter tells of %d opened, %d open, %d clean", m.Opened, m.Open, m.Clean)
	} else {
		n := s.conns[0].Stats().Received.Messages + s.conns[1].Stats().Received.Messages
		if m.Received.Messages != n {
			s.fault("the Meter counts %d messages received, and both Stats %d", m.Received.Messages, n)
		}
	}
}

// checkStats holds Stats beside what was sent and received.
func (s *storm) checkStats(i int) {
	out, in := s.lanes[i], s.lanes[1-i]
	stats := s.conns[i].Stats()
	for range 100 { // a background reader may still be on its way out
		if stats.Received.Held == 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
		stats = s.conns[i].Stats()
	}
	sent, got := stats.Sent, stats.Received
	if sent.Held != 0 || got.Held != 0 {
		s.fault("side %d: after the end %d bytes are held unsent, %d unread", i, sent.Held, got.Held)
	}
	least := int64(out.counts[accepted])
	most := least + int64(out.counts[unknown])
	if sent.Messages < least || sent.Messages > most {
		s.fault("side %d: Stats counts %d messages sent, of %d to %d", i, sent.Messages, least, most)
	}
	if n := s.seen[i].out.Load(); n != least {
		s.fault("side %d: the Trace counts %d messages sent, of %d", i, n, least)
	}
	n, bytes := int64(in.whole), int64(in.wholeBytes)
	if told := s.seen[i].in.Load(); s.reading[i] != asStream &&
		(got.Messages != n || got.Bytes != bytes || told != n) {
		s.fault("side %d: Stats counts %d messages received, %d bytes, the Trace %d, of %d, %d bytes",
			i, got.Messages, got.Bytes, told, n, bytes)
	}
	s.checkHeld(i, stats)
}

// checkHeld checks law 1.
func (s *storm) checkHeld(i int, stats wsstream.Stats) {
	c, in, out := s.side[i], s.lanes[1-i].most, s.lanes[i].most
	const (
		slack     = 256     // a control frame, a frame's header
		handshake = 4 << 10 // may come with the handshake
	)
	if w := c.ReadWindow; w > 0 {
		most := max(w, in) + max(min(w, 64<<10), handshake) + slack
		if held := stats.Received.HeldMax; held > int64(most) {
			s.fault("side %d: %d bytes were held unread, more than %d", i, held, most)
		}
	}
	if w := c.WriteWindow; w > 0 {
		frames := 2
		if c.MaxFrameSize > 0 {
			frames += out / c.MaxFrameSize
		}
		most := w + out + out/50 + 14*frames + slack // compressed it may be a little longer
		if held := stats.Sent.HeldMax; held > int64(most) {
			s.fault("side %d: %d bytes were held unsent, more than %d", i, held, most)
		}
	}
}
