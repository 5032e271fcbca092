package wsstream_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
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

// A stormRelay stands between the two Conns of a storm and passes on frames. It adds what changes
// no message: pings, pongs, fragments, pauses. Where it is to break something it does so once.
type stormRelay struct {
	breaks string        // of stormBreaches; "" for nothing
	broken chan struct{} // closed when it is to break it
	done   atomic.Bool   // it has
	ends   [4]net.Conn   // the client, our end of that, our end of the next, the server
	goes   sync.WaitGroup
}

// What a relay breaks, for the Conn that receives it.
const (
	breachCut     = "cuts a frame"
	breachClose   = "closes inside a message"
	breachCode    = "sends a code that may not be sent"
	breachMask    = "masks wrongly"
	breachRsv     = "sets a reserved bit"
	breachOp      = "sends an opcode that means nothing"
	breachLength  = "declares a length that never comes"
	breachText    = "breaks text"
	breachDeflate = "compresses wrongly"
	breachGarbage = "sends garbage"
	breachStops   = "stops"
	breachDrops   = "loses the connection"
)

var stormBreaches = []string{
	breachCut, breachClose, breachCode, breachMask, breachRsv, breachOp, breachLength, breachText,
	breachDeflate, breachGarbage, breachStops, breachDrops,
}

// relayed puts a relay between the two ends that it returns.
func (p *plan) relayed(t *testing.T, r *rand.Rand) (near, far net.Conn) {
	v := &stormRelay{broken: make(chan struct{}), breaks: p.breaks}
	leg := func() (net.Conn, net.Conn) {
		if p.limit == 0 {
			return memnet.Pipe(4 << 10)
		}
		return tcpPipe(t, p.limit)
	}
	v.ends[0], v.ends[1] = leg()
	v.ends[2], v.ends[3] = leg()
	seed := r.Uint64()
	ways := [2]*relayWay{
		{v: v, from: v.ends[1], to: v.ends[2], r: rand.New(rand.NewPCG(seed, 0)), masked: true},
		{v: v, from: v.ends[2], to: v.ends[1], r: rand.New(rand.NewPCG(seed, 1))},
	}
	for _, w := range ways {
		v.goes.Go(w.pass)
	}
	p.relay = v
	return v.ends[0], v.ends[3]
}

// end waits until both Conns have let go of it.
func (v *stormRelay) end() {
	v.goes.Wait()
	for _, nc := range v.ends {
		_ = nc.Close()
	}
}

// A relayWay is one direction of a relay.
type relayWay struct {
	v        *stormRelay
	from, to net.Conn
	r        *rand.Rand
	masked   bool // what it passes on
	inside   bool // a message
}

func (w *relayWay) pass() {
	defer func() {
		if h, ok := w.to.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, w.from) // what the Conn still writes behind an error of ours
	}()
	in := bufio.NewReader(w.from)
	for end := 0; end < 4; { // of the handshake's header
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		if _, err := w.to.Write([]byte{b}); err != nil {
			return
		}
		if end++; b != "\r\n\r\n"[end-1] {
			end = 0
			if b == '\r' {
				end = 1
			}
		}
	}
	for {
		h, err := ws.ReadHeader(in)
		if err != nil {
			return
		}
		b := make([]byte, h.Length)
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		if h.Masked {
			ws.Cipher(b, h.Mask, 0)
		}
		if !w.frame(h, b) {
			return
		}
	}
}

// send sends one frame.
func (w *relayWay) send(h ws.Header, b []byte) bool {
	h.Length, h.Masked = int64(len(b)), w.masked
	b = append([]byte(nil), b...)
	if w.masked {
		h.Mask = ws.NewMask()
		ws.Cipher(b, h.Mask, 0)
	}
	f := ws.MustCompileFrame(ws.Frame{Header: h, Payload: b})
	if w.r.IntN(20) == 0 && len(f) > 1 {
		n := 1 + w.r.IntN(len(f)-1)
		if _, err := w.to.Write(f[:n]); err != nil {
			return false
		}
		<-time.After(time.Duration(w.r.IntN(300)) * time.Microsecond)
		f = f[n:]
	}
	_, err := w.to.Write(f)
	return err == nil
}

// frame passes on one frame, and puts in more.
func (w *relayWay) frame(h ws.Header, b []byte) bool {
	select {
	case <-w.v.broken:
		if w.v.done.CompareAndSwap(false, true) && !w.breach(h, b) {
			return false
		}
	default:
	}
	if h.OpCode.IsControl() {
		return w.send(h, b) // with no pings, whose pongs would have pings again
	}
	if w.r.IntN(10) == 0 {
		for range w.r.IntN(30) {
			op := pick(w.r, ws.OpPing, ws.OpPing, ws.OpPong)
			if !w.send(ws.Header{Fin: true, OpCode: op}, make([]byte, w.r.IntN(126))) {
				return false
			}
		}
	}
	w.inside = !h.Fin
	for w.r.IntN(4) == 0 && len(b) > 0 { // a fragment, maybe an empty one
		n := w.r.IntN(len(b))
		first := h
		first.Fin = false
		if !w.send(first, b[:n]) {
			return false
		}
		h.OpCode, h.Rsv, b = ws.OpContinuation, 0, b[n:]
	}
	return w.send(h, b)
}

// breach breaks what the relay is to break in front of a frame. It reports whether that follows.
func (w *relayWay) breach(h ws.Header, b []byte) (goesOn bool) {
	whole := ws.Header{Fin: true, OpCode: ws.OpBinary}
	switch w.v.breaks {
	case breachCut:
		f := ws.MustCompileFrame(ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpText, Length: 100}})
		_, _ = w.to.Write(f[:1])
		return false
	case breachClose:
		part := ws.Header{OpCode: ws.OpBinary}
		if w.inside {
			part.OpCode = ws.OpContinuation
		}
		w.send(part, nil)
		w.send(ws.Header{Fin: true, OpCode: ws.OpClose}, ws.NewCloseFrameBody(1000, ""))
	case breachCode:
		w.send(ws.Header{Fin: true, OpCode: ws.OpClose}, ws.NewCloseFrameBody(1005, ""))
	case breachMask:
		w.masked = !w.masked
		w.send(h, b)
	case breachRsv:
		whole.Rsv = 1
		w.send(whole, b)
	case breachOp:
		whole.OpCode = 5
		w.send(whole, b)
	case breachLength:
		whole.Length, whole.Masked = 1<<62, w.masked
		_ = ws.WriteHeader(w.to, whole)
		return false
	case breachText:
		if !w.inside {
			w.send(ws.Header{Fin: true, OpCode: ws.OpText}, []byte("\xff"))
		}
	case breachDeflate:
		whole.Rsv = rsv1
		w.send(whole, []byte("\xff\xff\xff"))
	case breachGarbage:
		g := make([]byte, 1000)
		for i := range g {
			g[i] = byte(w.r.Uint32())
		}
		g[0] |= 0x70 // no frame begins so
		_, _ = w.to.Write(g)
	case breachStops:
		<-time.After(time.Second)
		return false
	case breachDrops:
		for _, nc := range w.v.ends[1:3] {
			_ = nc.Close()
		}
		return false
	}
	return true
}
