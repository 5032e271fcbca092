package conn

import (
	"cmp"
	"slices"
	"testing/synctest"
	"time"

	"github.com/wsstream/wsstream"
)

// watch looks at the connection from time to time, while all goroutines of the bubble block.
func (r *run) watch() {
	if r.near == nil {
		return
	}
	for d := 50 * time.Microsecond; r.sleep(d); d = min(2*d, time.Hour) {
		synctest.Wait()
		r.look()
	}
}

// A view is the connection at a moment at which all goroutines block.
type view struct {
	in, out          transcript
	active           []*call // that have begun and not returned
	taken            int     // messages that were pulled, or begun to be read
	reader, writer   bool    // a message is open
	blind            bool    // a pull has ended with its context: it may have assembled a part
	skipped          bool    // a message may be skipped that has not come whole
	dropping, ending bool    // a call says so
	handler          bool    // there is a message handler
	handling         bool    // it runs
	reading, writing bool    // in the transport
	asked            int
	quiet            time.Duration // since the last call or byte
	stats            wsstream.Stats
}

// look checks what must be true whenever all goroutines block.
func (r *run) look() {
	v, ok := r.view()
	if !ok {
		return
	}
	o := r.p.Options
	r.law(&v.stats, o)
	r.checkInput(v, o)
	r.checkOutput(v, o)
	r.checkAlive(v, o)
}

// view returns false if the connection is about to end.
func (r *run) view() (v view, ok bool) {
	select {
	case <-r.conn.Writable().Done():
		return v, false
	case <-r.conn.Readable().Done():
		return v, false
	default:
	}
	r.near.mu.Lock()
	in, out := r.near.in.frames(), r.near.out.frames()
	v.reading, v.writing, v.asked = r.near.reading, r.near.writing, r.near.asked
	failed := r.near.inErr != nil || r.near.outErr != nil || r.near.closed
	v.in, v.out = r.transcripts(in, out)
	var last time.Duration
	for _, t := range []*tape{&r.near.in, &r.near.out} {
		if n := len(t.marks); n > 0 {
			last = max(last, t.marks[n-1].at)
		}
	}
	r.near.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	v.handler = r.handling != nil
	for _, c := range r.calls {
		last = max(last, c.from, c.to)
		if c.do == doHandled {
			v.taken++
			v.handling = v.handling || !c.done
			continue
		}
		if !c.done {
			v.active = append(v.active, c)
		}
		switch {
		case c.do == doDiscard, c.do == doCancel, c.do == doShutdown:
			v.dropping = true
		}
		switch c.do {
		case doClose, doShutdown, doWClose, doFail, doAbort, doCancel, doCloseNow, doAcceptor:
			v.ending = true
		case doWriteEnd: // text that ends inside a character fails the Writable
			v.ending = v.ending || c.done && c.err != nil
		}
		if c.pulls() && c.done {
			if c.ok {
				v.taken++
				v.blind = c.do == doNext && !c.ended
				v.skipped = c.do == doNext
			} else if c.err != wsstream.ErrBusy {
				v.blind = true
			}
		}
		v.reader = v.reader || c.do == doNext && c.done && c.ok && !c.ended
		v.writer = v.writer || c.do == doMessage && c.done && c.ok && !c.ended
	}
	v.quiet = r.clock.now() - last
	bad := v.in.broken != "" || v.in.empties > 10_000
	for i := range v.in.messages {
		m := &v.in.messages[i]
		bad = bad || m.bad != "" || r.tooBig(m)
	}
	return v, !failed && !bad && !v.ending && !v.in.closed && !v.out.closed &&
		v.taken <= len(v.in.messages)
}

func (r *run) maxMessage() int {
	if n := r.p.Options.MaxMessageSize; n != 0 {
		return n
	}
	return wsstream.DefaultMaxMessageSize
}

func (r *run) tooBig(m *message) bool {
	most := r.maxMessage()
	return most > 0 && (len(m.data) > most || !m.compressed && m.declared > uint64(most))
}

// transcripts reads both streams.
func (r *run) transcripts(in, out []byte) (i, o transcript) {
	reads := reading{fromClient: !r.p.Client}
	sends := reading{fromClient: r.p.Client}
	if d := r.p.Deflate; d != nil {
		bits := d.Bits
		if bits == 0 {
			bits = wsstream.DefaultWindowBits
		}
		reads.inflate = &inflater{takeover: !d.PeerNoTakeover, bits: 15}
		sends.inflate = &inflater{takeover: !d.NoTakeover, bits: bits}
	}
	return reads.read(in), sends.read(out)
}

// wholeMessages returns how many messages have come whole.
func (t *transcript) wholeMessages() int {
	n := len(t.messages)
	if n > 0 && !t.messages[n-1].whole {
		n--
	}
	return n
}

// pulledTo returns where the pull cursor is when n messages were pulled: behind the control frames
// that follow.
func (t *transcript) pulledTo(n int) (at int) {
	if n > 0 {
		at = t.messages[n-1].end
	}
	for _, c := range t.controls {
		if c.begin == at {
			at = c.end
		}
	}
	return at
}

func (r *run) checkInput(v view, o Options) {
	pulls := 0
	for _, c := range v.active {
		if c.pulls() || c.do == doRead {
			pulls++
		}
		if c.pulls() && !v.reader && !v.dropping && v.taken < v.in.wholeMessages() {
			r.fault("a pull waits for a message that has come", "%v: %d of %d were taken",
				c, v.taken, v.in.wholeMessages())
		}
	}
	if pulls > 0 && !v.reading {
		r.fault("a pull waits, and nothing reads", "%v", v.active)
	}
	if v.handler {
		if !v.handling && !v.dropping && v.taken < v.in.wholeMessages() {
			r.fault("a message that has come is kept from a handler", "%d of %d were taken",
				v.taken, v.in.wholeMessages())
		}
		if !v.handling && !v.reading {
			r.fault("a handler waits, and nothing reads", "%d were taken", v.taken)
		}
		return
	}
	held := v.in.end - v.in.pulledTo(v.taken)
	window := o.ReadWindow
	if window == 0 {
		window = wsstream.DefaultReadWindow
	}
	if v.dropping || v.blind || v.skipped && v.taken == len(v.in.messages) &&
		!v.in.messages[v.taken-1].whole || pulls > 0 {
		return
	}
	if got := r.conn.Stats().Received.Held; got != int64(held) {
		r.fault("Stats: Held of the input", "%d is held, and Stats say %d; %d taken of %v", held, got,
			v.taken, v.in.messages)
	}
	if room := window < 0 || held < window; room && v.quiet > 50*time.Millisecond && !v.reading {
		r.fault("nothing reads although the window has room", "%d of %d are held", held, window)
	} else if !room && v.reading && v.quiet > 0 {
		r.fault("the input is read although the window is full", "%d of %d are held", held, window)
	} else if v.reading && window > 0 && v.asked > window-held {
		r.fault("a read asks for more than the window has", "%d, and %d of %d are held",
			v.asked, held, window)
	}
}

// checkAlive checks what the options for keepalive promise.
func (r *run) checkAlive(v view, o Options) {
	held := v.in.end - v.in.pulledTo(v.taken)
	if v.writing || !v.reading || held > 0 || v.reader || v.writer {
		return
	}
	if d := o.PingInterval; d > 0 {
		limit := 2*d + time.Second
		if len(v.out.controls) > 0 && o.PongTimeout >= 0 { // it may wait for the pong
			limit += cmp.Or(o.PongTimeout, wsstream.DefaultPongTimeout)
		}
		if v.quiet > limit {
			r.fault("no ping was sent", "it has been quiet for %v", v.quiet)
		}
	}
	if d := o.IdleTimeout; d > 0 && v.quiet > d+time.Second {
		r.fault("IdleTimeout has passed", "it has been quiet for %v", v.quiet)
	}
}

func (r *run) checkOutput(v view, o Options) {
	window := o.WriteWindow
	if window == 0 {
		window = wsstream.DefaultWriteWindow
	}
	s := r.conn.Stats().Sent
	desired := r.conn.Writable().DesiredSize()
	if window > 0 && int64(desired) != int64(window)-s.Held {
		r.fault("DesiredSize", "%d, and %d of %d are held", desired, s.Held, window)
	}
	if v.writing {
		r.mu.Lock()
		r.snaps = append(r.snaps, snap{v.in.end, v.out.end})
		r.mu.Unlock()
		return
	}
	if s.Held != 0 {
		r.fault("output waits although the transport takes it", "%d bytes", s.Held)
	}
	if v.out.rest != 0 {
		r.fault("half a frame was sent, and the transport takes more", "%d bytes", v.out.rest)
	}
	var pings, pongs []control
	asked := 0
	for _, c := range v.in.controls {
		if c.op == opPing {
			pings = append(pings, c)
		}
	}
	for _, c := range v.out.controls {
		if c.op == opPong {
			pongs = append(pongs, c)
		} else {
			asked++
		}
	}
	if len(pings) > 0 &&
		(len(pongs) == 0 || pongs[len(pongs)-1].payload != pings[len(pings)-1].payload) {
		r.fault("a ping was not answered", "%d pings, %d pongs", len(pings), len(pongs))
	}
	for _, c := range v.active {
		switch c.do {
		case doWrite, doPrepared, doTry, doReady, doMessage:
			if !v.writer {
				r.fault("a call waits although the transport takes more", "%v", c)
			}
		case doPart, doWriteEnd, doFlush:
			r.fault("a call waits although the transport takes more", "%v", c)
		case doPing:
			if asked == 0 {
				r.fault("a ping was not sent", "%v", c)
			} else if r.answered(v) {
				r.fault("a Ping waits although its pong has come", "%v", c)
			}
		}
	}
}

// answered reports whether the pong for the last ping that was sent has come. A pong that was
// changed on its way may be one for a ping that had not been sent.
func (r *run) answered(v view) bool {
	if slices.ContainsFunc(r.p.Peer.Faults, func(f Fault) bool { return f.Do == faultCorrupt }) {
		return false
	}
	last := ""
	for _, c := range v.out.controls {
		if c.op == opPing {
			last = c.payload
		}
	}
	for _, c := range v.in.controls {
		if c.op == opPong && c.payload == last {
			return true
		}
	}
	return false
}
