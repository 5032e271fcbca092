package conn

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A run is one run of a program.
type run struct {
	p        *Program
	clock    clock
	conn     *wsstream.Conn
	acceptor wsstream.Acceptor
	near     *tap // nil on a real network
	peer     *peer
	over     chan struct{} // closed when the callers must stop
	patience time.Duration // within which a call must return, when nothing can keep it
	linger   time.Duration // in addition to the time that a close may take
	callers  sync.WaitGroup

	settled time.Duration // when Closed has settled; 0 if that is not known
	snaps   []snap        // of moments at which the transport takes no more

	mu       sync.Mutex
	calls    []*call
	open     []*openReader
	faults   []fault
	handling *handling // that Handle has accepted; nil for none

	last finals
}

// A snap says how many bytes of frames had passed at a moment at which all goroutines blocked.
type snap struct{ in, out int }

// finals are what calls return after the end.
type finals struct {
	pull, write, closed, end error
	info                     wsstream.CloseInfo
	stats                    wsstream.Stats
}

// A fault is what the model objects to.
type fault struct {
	kind string // the same in each run of a program
	text string
}

func (r *run) fault(kind, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) < 20 {
		r.faults = append(r.faults, fault{kind, text})
	}
}

const slack = 20 * time.Millisecond // of the times that are checked

func newRun(p *Program, patience, linger time.Duration) *run {
	r := &run{p: p, over: make(chan struct{}), patience: patience, linger: linger}
	r.clock.began = time.Now()
	return r
}

// overSocket runs a program over a transport of the kernel's.
func overSocket(p *Program, near, far net.Conn) *run {
	r := newRun(p, 20*time.Second, 500*time.Millisecond)
	r.peer = newPeer(p, far)
	if r.shake(near) {
		r.play()
	}
	return r
}

// inBubble runs a program in memory. It is called in a bubble.
func inBubble(p *Program) *run {
	a, b := memnet.Pipe(p.Limit)
	r := newRun(p, 10*time.Minute, time.Minute)
	r.near = &tap{Conn: a, clock: &r.clock}
	if p.Chunk > 0 {
		b.Chunk(p.Chunk)
	}
	r.peer = newPeer(p, b)
	if !r.shake(r.near) {
		return r
	}
	if p.Peer.CutOut > 0 {
		a.CutAfter(int64(p.Peer.CutOut))
	}
	r.play()
	return r
}

// shake makes the handshake, and starts the peer.
func (r *run) shake(near net.Conn) bool {
	failed := make(chan error, 1)
	r.callers.Go(func() { // ends with the peer
		br, err := r.peer.shake()
		if err != nil {
			failed <- err
			return
		}
		r.callers.Go(r.peer.play) // ends with the peer
		err = r.peer.awaitOpen(br)
		failed <- err
		if err == nil {
			r.peer.read(br)
			close(r.peer.done)
		}
	})
	ctx, stop := context.WithTimeout(context.Background(), r.patience)
	defer stop()
	var err error
	if o := r.p.dialOptions(); r.p.Client {
		o.NetDial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
		r.conn = wsstream.Dial(ctx, "ws://x/", o)
		_, err = r.conn.Opened().Wait(ctx)
	} else {
		r.acceptor.Options = r.p.acceptOptions()
		r.conn, err = r.acceptor.AcceptConn(ctx, near)
	}
	if err == nil {
		err = <-failed
	}
	if err != nil {
		r.fault("handshake", "%v", err)
		_ = near.Close()
		r.peer.end()
		r.callers.Wait()
		return false
	}
	close(r.peer.opened)
	if r.near != nil {
		for _, t := range []*tape{&r.near.in, &r.near.out} {
			r.near.mu.Lock()
			t.head = bytes.Index(t.bytes, []byte("\r\n\r\n")) + 4
			r.near.mu.Unlock()
		}
	}
	return true
}

func (p *Program) dialOptions() *wsstream.DialOptions {
	o := p.Options
	return &wsstream.DialOptions{
		ReadWindow:        o.ReadWindow,
		WriteWindow:       o.WriteWindow,
		MaxMessageSize:    o.MaxMessageSize,
		MaxFrameSize:      o.MaxFrameSize,
		CloseTimeout:      o.CloseTimeout,
		PingInterval:      o.PingInterval,
		PongTimeout:       o.PongTimeout,
		IdleTimeout:       o.IdleTimeout,
		WriteStallTimeout: o.WriteStallTimeout,
		ReadStallTimeout:  o.ReadStallTimeout,
		Compression:       p.compression(),
	}
}

func (p *Program) acceptOptions() wsstream.AcceptOptions {
	o := p.Options
	return wsstream.AcceptOptions{
		ReadWindow:        o.ReadWindow,
		WriteWindow:       o.WriteWindow,
		MaxMessageSize:    o.MaxMessageSize,
		MaxFrameSize:      o.MaxFrameSize,
		CloseTimeout:      o.CloseTimeout,
		PingInterval:      o.PingInterval,
		PongTimeout:       o.PongTimeout,
		IdleTimeout:       o.IdleTimeout,
		WriteStallTimeout: o.WriteStallTimeout,
		ReadStallTimeout:  o.ReadStallTimeout,
		Compression:       p.compression(),
	}
}

func (p *Program) compression() *wsstream.CompressionOptions {
	d := p.Deflate
	if d == nil {
		return nil
	}
	return &wsstream.CompressionOptions{
		Threshold:             d.Threshold,
		WindowBits:            d.Bits,
		NoContextTakeover:     d.NoTakeover,
		PeerNoContextTakeover: d.PeerNoTakeover,
	}
}

// play runs the callers, and then the end.
func (r *run) play() {
	var scripts sync.WaitGroup
	for i := range r.p.Callers {
		c := &caller{run: r, nth: i}
		scripts.Go(c.play)
	}
	done := make(chan struct{})
	go func() { // ends with the callers
		scripts.Wait()
		close(done)
	}()
	watched := make(chan struct{})
	go func() { // ends with the run
		defer close(watched)
		r.watch()
	}()
	if r.p.Drain { // else Closed is asked for only after the end, or late
		r.callers.Go(func() { // ends with the connection
			<-r.conn.Closed().Done()
			now := r.clock.now()
			r.mu.Lock()
			defer r.mu.Unlock()
			r.settled = now
		})
	}
	select {
	case <-done:
	case <-time.After(r.p.Span):
	}
	r.finish(done)
	<-watched
	r.callers.Wait()
}

// finish ends the connection, and waits until everything has ended.
func (r *run) finish(done chan struct{}) {
	close(r.over)
	r.skip()
	ender := &caller{run: r, nth: len(r.p.Callers)}
	ended := make(chan struct{})
	go func() { // ends with the connection
		defer close(ended)
		ender.shared = context.Background()
		ender.do(&r.p.End)
	}()
	if r.p.Drain {
		drainer := &caller{run: r, nth: len(r.p.Callers) + 1}
		ctx, stop := context.WithCancelCause(context.Background())
		go func() { // ends with the connection
			select {
			case <-r.conn.Closed().Done():
			case <-time.After(r.closeTime() + r.linger):
			}
			stop(&why{what: "drained for long enough"})
		}()
		for i := 0; ; i++ {
			drainer.step = i
			x := drainer.begin(ctx, doPull, &Step{Do: doPull}, 0)
			r.skip()
			r.record(x)
			m, err := r.conn.Readable().Pull(ctx)
			x.text, x.got, x.ok = m.Type == wsstream.TypeText, m.Data, err == nil
			r.returned(x, err)
			if h := r.handled(); err == wsstream.ErrBusy && h != nil { // it drains
				select {
				case <-h.ended:
				case <-ctx.Done():
				}
				break
			}
			if err != nil && err != wsstream.ErrBusy {
				break
			}
		}
	}
	closed := r.conn.Closed()
	select {
	case <-closed.Done():
	case <-time.After(r.closeTime() + r.linger):
	}
	x := &call{do: doCloseNow, name: "last", step: &Step{Do: doCloseNow}, ctx: context.Background()}
	if _, _, ok := closed.Peek(); !ok {
		r.record(x)
		r.conn.CloseNow()
		r.returned(x, nil)
	}
	r.skip()
	if !r.await(closed.Done(), "Closed") {
		r.give()
		return
	}
	r.probe()
	if r.near == nil { // the peer may be behind
		select {
		case <-r.peer.done:
		case <-time.After(r.linger):
		}
	}
	r.peer.end()
	if !r.await(done, "the callers") || !r.await(ended, "End") {
		r.give()
		return
	}
	r.conn.CloseNow()
	r.last.stats = r.conn.Stats()
}

// closeTime returns within which time a close must come to its end.
func (r *run) closeTime() time.Duration {
	switch d := r.p.Options.CloseTimeout; {
	case d < 0:
		return r.linger
	case d == 0:
		return wsstream.DefaultCloseTimeout
	default:
		return d
	}
}

// await waits for what must happen.
func (r *run) await(what <-chan struct{}, name string) bool {
	select {
	case <-what:
		return true
	case <-time.After(r.patience):
	}
	r.mu.Lock()
	var left []string
	for _, c := range r.calls {
		if !c.done {
			left = append(left, c.String())
		}
	}
	r.mu.Unlock()
	b := make([]byte, 1<<20)
	r.fault("stuck: "+name, "%v\n%s", strings.Join(left, "\n"), b[:runtime.Stack(b, true)])
	return false
}

// give gives up what is stuck.
func (r *run) give() {
	r.peer.end()
	if r.near != nil {
		_ = r.near.Close()
	}
}

// probe asks for the end.
func (r *run) probe() {
	r.skip()
	ctx, stop := context.WithTimeout(context.Background(), r.patience)
	defer stop()
	f := &r.last
	f.info, f.closed = r.conn.Closed().Wait(ctx)
	for {
		if h := r.handled(); h != nil {
			if r.await(h.ended, "the handler is not told of the end") {
				f.pull = h.err
			}
			break
		}
		x := &call{do: doPull, name: "probe", step: &Step{Do: doPull}, ctx: ctx}
		r.record(x)
		m, err := r.conn.Readable().Pull(ctx)
		x.text, x.got, x.ok = m.Type == wsstream.TypeText, m.Data, err == nil
		r.returned(x, err)
		if f.pull = err; err != nil && (err != wsstream.ErrBusy || r.handled() == nil) {
			break
		}
	}
	f.end = r.conn.Shutdown(ctx, wsstream.CloseInfo{})
	f.write = r.conn.Writable().Write(ctx, wsstream.Text("probe"))
}

// law checks what Stats may say at any time.
func (r *run) law(s *wsstream.Stats, o Options) {
	most := func(window int) int64 {
		if window <= 0 {
			return math.MaxInt64
		}
		return int64(window)
	}
	largest := 0
	for i := range r.p.Peer.Acts {
		largest = max(largest, r.p.Peer.Acts[i].Size+16*(2+len(r.p.Peer.Acts[i].Parts)))
	}
	in := most(o.ReadWindow)
	if in != math.MaxInt64 {
		in = max(in, int64(largest)) + 64<<10 + 16
	}
	if f := s.Received; f.Held < 0 || f.HeldMax > in || f.Held > in || f.HeldMax < f.Held {
		r.fault("Stats", "received: %+v, more than %d", f, in)
	}
	largest = 0
	for _, c := range r.p.Callers {
		for _, st := range c.Steps {
			n := st.Size
			for _, k := range st.Parts {
				n = max(n, k)
			}
			frames := 2
			if m := o.MaxFrameSize; m > 0 {
				frames += n / m
			} else if m == 0 {
				frames += n / (64 << 10)
			}
			largest = max(largest, n+n/50+14*frames+64)
		}
	}
	out := most(o.WriteWindow)
	if out != math.MaxInt64 {
		out += int64(largest)
	}
	if f := s.Sent; f.Held < 0 || f.HeldMax > out || f.Held > out || f.HeldMax < f.Held {
		r.fault("Stats", "sent: %+v, more than %d", f, out)
	}
}

// sorted returns the calls in the order in which they began.
func (r *run) sorted() []*call {
	calls := slices.Clone(r.calls)
	slices.SortFunc(calls, func(a, b *call) int { return int(a.begin - b.begin) })
	return calls
}
