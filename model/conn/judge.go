package conn

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream"
)

// A judge compares the record of a run with the model.
type judge struct {
	*run
	calls   []*call
	in, out transcript
	read    int // bytes of frames that the Conn has surely read
	fuzzy   int // from here on the input may mean anything
}

// judge judges a run that has ended.
func (r *run) judge() {
	if r.conn == nil || r.last.pull == nil {
		return
	}
	j := &judge{run: r, calls: r.sorted()}
	in, out := r.peer.sent(), r.peer.got()
	if r.near != nil {
		in, out = r.near.in.frames(), r.near.out.frames()
		j.read = len(in)
	}
	j.in, j.out = r.transcripts(in, out)
	j.fuzzy = len(in) + 1
	for _, f := range r.p.Peer.Faults {
		if f.Do == faultCorrupt && r.p.Deflate != nil {
			j.fuzzy = min(j.fuzzy, f.At)
		}
	}
	j.input()
	j.output()
	j.results()
	j.ends()
	j.figures()
	j.inTime()
}

// An event is a call that takes a message from one of the two streams, or adds one to it.
type event struct {
	*call
	data  []byte
	whole bool // data is all of the message
	must  bool // it must have happened
}

// order finds out which event is which message. Each message belongs to one event, and the events
// are in the order of the messages, as far as the calls did not overlap. It returns the event of
// each message, up to the first that has none.
//
// Of the events that can be the next message, it takes the one that ended first. So no choice makes
// a later one impossible: equal messages can be exchanged.
func order(messages []message, events []*event, fits func(*event, *message) bool) []*event {
	var of []*event
	left := slices.Clone(events)
	for i := range messages {
		limit := int64(1 << 62) // no event that began later can come before those that must
		for _, e := range left {
			if e.must {
				limit = min(limit, e.call.end)
			}
		}
		best := -1
		for k, e := range left {
			if e.begin < limit && fits(e, &messages[i]) && (best < 0 || less(e, left[best])) {
				best = k
			}
		}
		if best < 0 {
			return of
		}
		of = append(of, left[best])
		left = slices.Delete(left, best, best+1)
	}
	return of
}

func less(a, b *event) bool {
	if a.must != b.must {
		return a.must
	}
	return a.call.end < b.call.end
}

// input checks that each message was delivered once, in order and whole.
func (j *judge) input() {
	var events []*event
	reads := map[*call]*event{}
	for _, c := range j.calls {
		switch {
		case c.pulls() && c.ok:
			e := &event{call: c, data: c.got, whole: c.do != doNext, must: true}
			events = append(events, e)
			reads[c] = e
		case c.do == doRead:
			e := reads[c.of]
			e.data = append(bytes.Clone(e.data), c.got...)
			e.whole = e.whole || c.err == io.EOF
		}
	}
	of := order(j.in.messages, events, func(e *event, m *message) bool {
		switch {
		case m.begin >= j.fuzzy || m.end > j.fuzzy:
			return true
		case e.text != m.text:
			return false
		case e.do != doNext:
			return m.whole && m.bad == "" && bytes.Equal(e.data, m.data) && !j.tooBig(m)
		case e.whole:
			return m.whole && m.bad == "" && bytes.Equal(e.data, m.data)
		}
		// What there is of a compressed message can be inflated to the last bit, or a little less far.
		return bytes.HasPrefix(m.data, e.data) ||
			m.compressed && !m.whole && bytes.HasPrefix(e.data, m.data)
	})
	if len(of) < len(events) {
		next := "there is none"
		if len(of) < len(j.in.messages) {
			next = j.in.messages[len(of)].String()
		}
		j.fault("a message was delivered that does not come next",
			"%d were delivered, and %d of them are right; the next message is %s; left: %v",
			len(events), len(of), next, rest(events, of))
		return
	}
	// Nothing received is lost.
	if j.near == nil || j.drops() {
		return
	}
	if slices.ContainsFunc(j.in.messages[:len(of)], func(m message) bool {
		return m.bad != "" || m.compressed && j.tooBig(&m) // the rest of one that is skipped counts, too
	}) {
		return
	}
	if len(of) == len(j.in.messages) {
		return
	}
	m := &j.in.messages[len(of)]
	if m.whole && m.bad == "" && !j.tooBig(m) && m.end <= j.fuzzy {
		j.fault("a message that came whole was not delivered",
			"%d of %d were: next is %v; pulls end with %v", len(of), len(j.in.messages), m, j.last.pull)
	}
}

func rest(events, of []*event) (left []string) {
	for _, e := range events {
		if !slices.Contains(of, e) {
			left = append(left, fmt.Sprintf("%v %.20q", e.call, e.data))
		}
	}
	return left
}

// drops reports whether a call drops unread messages.
func (j *judge) drops() bool {
	return j.called(doDiscard, doCancel, doShutdown, doCloseNow) != nil || j.cutByAcceptor()
}

// cutByAcceptor reports whether the context of Acceptor.Shutdown ended, which cuts.
func (j *judge) cutByAcceptor() bool {
	return slices.ContainsFunc(j.calls, func(c *call) bool {
		return c.do == doAcceptor && !j.p.Client && c.late != nil
	})
}

// called returns the first of these calls.
func (j *judge) called(do ...string) *call {
	for _, c := range j.calls {
		if slices.Contains(do, c.do) {
			return c
		}
	}
	return nil
}

// output checks that each message was sent once, in order and whole.
func (j *judge) output() {
	t := &j.out
	if t.broken != "" {
		j.fault("our output breaks the protocol", "%s at %d", t.broken, t.stop)
		return
	}
	if t.closed && t.rest > 0 {
		j.fault("our output goes on behind our Close", "%d bytes", t.rest)
	}
	limit := j.p.Options.MaxFrameSize
	if limit == 0 {
		limit = wsstream.DefaultMaxFrameSize
	}
	for i := range t.messages {
		m := &t.messages[i]
		if m.bad != "" {
			j.fault("our message is bad", "%v", m)
		}
		if limit > 0 && m.largest > limit {
			j.fault("our frame is too long", "%d bytes", m.largest)
		}
	}
	clean := j.last.closed == nil && !j.dropsOutput() && (j.near != nil || t.closed)
	var events []*event
	parts := map[*call]*event{}
	for _, c := range j.calls {
		switch c.do {
		case doWrite, doTry, doPrepared:
			if c.ok || c.do != doTry && !j.refused(c) || c.do == doTry && c.err != nil {
				events = append(events, &event{call: c, data: c.data, whole: true, must: c.ok && clean})
			}
		case doMessage:
			if c.ok {
				e := &event{call: c}
				parts[c] = e
				events = append(events, e)
			}
		case doPart:
			if e := parts[c.of]; c.n <= len(c.data) {
				e.data = append(bytes.Clone(e.data), c.data[:c.n]...)
			}
			if c.ok && c.n != len(c.data) {
				j.fault("MessageWriter", "%v: %d of %d bytes, without an error", c, c.n, len(c.data))
			}
		case doWriteEnd:
			e := parts[c.of]
			e.whole = true
			e.must = c.ok && clean
		}
	}
	of := order(t.messages, events, func(e *event, m *message) bool {
		if e.text != m.text || e.plain && m.compressed {
			return false
		}
		if m.whole {
			return e.whole && bytes.Equal(e.data, m.data)
		}
		return bytes.HasPrefix(e.data, m.data) || e.do == doMessage && bytes.HasPrefix(m.data, e.data)
	})
	if len(of) < len(t.messages) {
		j.fault("a message was sent that does not come next", "%v; left: %v", &t.messages[len(of)],
			rest(events, of))
		return
	}
	for _, e := range events {
		if e.must && !slices.Contains(of, e) {
			j.fault("a message that was accepted was not sent", "%v, and Closed is %v", e.call, j.last.closed)
			break
		}
	}
	j.flushes(of)
	j.pongs()
	j.answers()
	j.backlog()
}

// dropsOutput reports whether a call drops what was accepted.
func (j *judge) dropsOutput() bool { return j.called(doAbort, doCloseNow) != nil || j.cutByAcceptor() }

// refused reports whether a Write has surely sent nothing: its context ended.
func (j *judge) refused(c *call) bool {
	return c.err != nil && c.err == c.late && c.step.Ctx != ctxConn
}

// flushes checks that what was accepted before a Flush had left when it returned.
func (j *judge) flushes(of []*event) {
	if j.near == nil {
		return
	}
	for _, c := range j.calls {
		if c.do != doFlush || !c.ok {
			continue
		}
		for i, e := range of {
			m := &j.out.messages[i]
			if e.do != doMessage && m.whole && m.begin < j.near.out.sizeAt(c.begin) && m.end > c.sent {
				j.fault("Flush", "%v: %v had begun to leave, and has not left", c, e.call)
				return
			}
			done := e.call.end
			if e.do == doMessage {
				done = e.last
			}
			if e.must && done != 0 && done < c.begin && m.end > c.sent {
				j.fault("Flush", "%v: %v had not left", c, e.call)
				return
			}
		}
	}
}

// pongs checks that the pongs answer pings, in order.
func (j *judge) pongs() {
	var pings []string
	for _, c := range j.in.controls {
		if c.op == opPing {
			pings = append(pings, c.payload)
		}
	}
	bytes, left := 0, pings
	for _, p := range pings {
		bytes += len(p) + 6
	}
	n := 0
	for _, c := range j.out.controls {
		if c.op != opPong {
			continue
		}
		n++
		i := slices.Index(left, c.payload)
		if i < 0 {
			j.fault("a pong answers no ping", "%q of %d", c.payload, len(pings))
			return
		}
		if i > 0 && bytes < 3<<10 && j.called(doAbort) == nil && !strings.Contains(fmt.Sprint(j.last.closed), "we closed") {
			j.fault("a ping was not answered, and a later one was", "%q", left[0])
			return
		}
		left = left[i+1:]
	}
}

// answers checks that the pong of each ping came while Ping waited for it.
func (j *judge) answers() {
	if j.near == nil {
		return
	}
	ours := map[string]bool{}
	for _, c := range j.out.controls {
		if c.op == opPing {
			ours[c.payload] = true
		}
	}
	for _, c := range j.calls {
		if c.do != doPing || !c.ok {
			continue
		}
		from, to := j.near.in.sizeAt(c.begin), j.near.in.sizeAt(c.end)
		if !slices.ContainsFunc(j.in.controls, func(p control) bool {
			return p.op == opPong && ours[p.payload] && p.end > from && p.end <= to
		}) {
			j.fault("a Ping returned without its pong", "%v", c)
		}
	}
}

// backlog checks how many bytes of pongs waited while the transport took nothing: 4 KiB that had
// begun to leave, 4 KiB behind them, and a frame.
func (j *judge) backlog() {
	const most = 8<<10 + 200
	for _, s := range j.snaps {
		var owed []string
		for _, c := range j.in.controls {
			if c.op == opPing && c.end <= s.in {
				owed = append(owed, c.payload)
			}
		}
		waited := 0
		for _, c := range j.out.controls {
			if c.op == opPong && c.end > s.out && slices.Contains(owed, c.payload) {
				waited += c.end - c.begin
			}
		}
		if waited > most {
			j.fault("more pongs waited than may wait", "%d bytes", waited)
			return
		}
	}
}

// inTime checks that the end came within CloseTimeout of the first decision to close. A client then
// waits for a second.
func (j *judge) inTime() {
	if j.near == nil || j.settled == 0 || j.p.Options.CloseTimeout < 0 {
		return
	}
	first := time.Duration(1 << 62)
	for _, c := range j.calls {
		switch c.do {
		case doClose, doShutdown, doAbort, doCancel:
			first = min(first, c.from)
		case doAcceptor:
			if !j.p.Client {
				first = min(first, c.from)
			}
		}
	}
	if m, ok := j.closeRead(); ok {
		first = min(first, m.at)
	}
	if limit := first + j.closeTime() + time.Second + slack; j.settled > limit {
		j.fault("the end comes too late", "%v, and not within %v", j.settled, limit)
	}
}

// results checks the errors of all calls.
func (j *judge) results() {
	for _, c := range j.calls {
		if !c.done {
			j.fault("a call has not returned", "%v", c)
			continue
		}
		if j.p.Procs >= 0 && c.over > 0 && j.near != nil && c.to > max(c.over, c.from)+slack {
			j.fault("a call outlives its context", "%v", c)
		}
		if c.err != nil && !j.allowed(c) {
			j.fault("a call fails with an error that it must not have", "%v; pulls end with %v, writes with %v, "+
				"Closed with %v, the connection with %v", c, j.last.pull, j.last.write, j.last.closed, j.last.end)
		}
		if c.err == nil && (c.do == doWClose || c.do == doShutdown || c.do == doFail) && j.last.end != nil {
			j.fault("a call succeeds although the end is an error", "%v: %v", c, j.last.end)
		}
		if c.dead && c.err == nil && c.step.Ctx != ctxConn {
			switch c.do {
			case doPull, doInto, doNext, doWrite, doReady, doFlush, doPing, doMessage:
				j.fault("a call succeeds although its context had ended", "%v", c)
			}
		}
	}
}

// allowed reports whether the model allows the error of a call.
func (j *judge) allowed(c *call) bool {
	f := &j.last
	if c.err == c.late && c.step.Ctx != ctxConn {
		return c.do != doClose && c.do != doAbort && c.do != doCancel && c.do != doTry
	}
	outcome := cmp.Or(f.end, wsstream.ErrClosed)
	switch c.do {
	case doPull, doInto, doNext:
		return c.err == f.pull || c.err == wsstream.ErrBusy && j.busy(c)
	case doRead:
		switch {
		case c.err == io.EOF, c.err == f.pull:
			return true
		case c.err == io.ErrUnexpectedEOF:
			return f.pull == io.EOF
		}
		return errors.Is(c.err, wsstream.ErrClosed) && j.readEnded(c)
	case doWrite, doTry, doReady, doMessage, doFlush, doPrepared:
		return c.err == f.write
	case doPart, doWriteEnd:
		return c.err == f.write || j.cutText(c)
	case doPing:
		return c.err == f.write || c.err == outcome
	case doWClose, doFail:
		return c.err == f.end || c.err == f.write
	case doShutdown, doAcceptor:
		return c.err == f.end
	}
	return false
}

// busy reports whether a MessageReader may have been open during a call.
func (j *judge) busy(c *call) bool {
	for _, o := range j.calls {
		if o.do == doNext && o.ok && o.begin < c.end && (!o.ended || o.last > c.begin) {
			return true
		}
	}
	return false
}

// readEnded reports whether the reader of a Read was closed before the Read returned.
func (j *judge) readEnded(c *call) bool {
	for _, o := range j.calls {
		if o.do == doReadEnd && o.of == c.of && o.begin < c.end {
			return true
		}
	}
	return false
}

// cutText reports whether text that is not UTF-8 was written.
func (j *judge) cutText(c *call) bool {
	return c.of.text && strings.Contains(c.err.Error(), "UTF-8")
}

// figures checks the figures after the end.
func (j *judge) figures() {
	s := &j.last.stats
	j.law(s, j.p.Options)
	var got, want, most wsstream.Flow
	sums, read := map[*call]int64{}, map[*call]bool{}
	for _, c := range j.calls {
		switch {
		case c.pulls() && c.ok && c.do != doNext:
			got.Messages++
			got.Bytes += int64(len(c.got))
		case c.do == doRead:
			sums[c.of] += int64(len(c.got))
			if c.err == io.EOF && !read[c.of] {
				read[c.of] = true
				got.Messages++
				got.Bytes += sums[c.of]
			}
		case (c.do == doWrite || c.do == doTry || c.do == doPrepared) && c.ok:
			want.Messages++
			want.Bytes += int64(len(c.data))
		case c.do == doPart:
			sums[c.of] += int64(c.n)
		case c.do == doWriteEnd && c.ok:
			want.Messages++
			want.Bytes += sums[c.of]
		case c.do == doWrite || c.do == doTry || c.do == doPrepared || c.do == doWriteEnd:
			most.Messages++
		}
	}
	if s.Received.Messages != got.Messages || s.Received.Bytes != got.Bytes {
		j.fault("Stats: what was received", "%+v, and %d messages with %d bytes were pulled", s.Received,
			got.Messages, got.Bytes)
	}
	if n := s.Sent.Messages - want.Messages; n < 0 || n > most.Messages || n == 0 && s.Sent.Bytes != want.Bytes {
		j.fault("Stats: what was sent", "%+v, and %d messages with %d bytes were accepted", s.Sent,
			want.Messages, want.Bytes)
	}
	if s.Sent.Held != 0 {
		j.fault("Stats: output is held after the end", "%+v", s.Sent)
	}
}

// ends checks the end of the connection with the table of ends.
func (j *judge) ends() {
	f := &j.last
	clean := f.closed == nil
	var e *wsstream.Error
	if !clean {
		if !errors.As(f.closed, &e) || wsstream.CloseCode(f.closed) != f.info.Code && f.info.Code != 0 {
			j.fault("Closed", "%v with %v", f.info, f.closed)
			return
		}
		if f.end != f.closed {
			j.fault("the end differs from that of Closed", "%v, %v", f.end, f.closed)
		}
	}
	j.endOfPulls()
	j.endOfWrites()
	if clean {
		j.cleanEnd()
	} else {
		j.uncleanEnd(e)
	}
	j.ourCode()
}

func (j *judge) endOfPulls() {
	f := &j.last
	want := f.end
	if want == nil || j.called(doCancel) != nil && f.pull == io.EOF {
		want = io.EOF
	}
	if f.pull != want {
		var e *wsstream.Error
		if errors.As(f.pull, &e) && j.firstBad() {
			return // a message that was left unread proved to be invalid
		}
		j.fault("the end of pulls", "%v, and the connection ended with %v", f.pull, f.end)
	}
}

// firstBad reports whether a message breaks a rule.
func (j *judge) firstBad() bool {
	for i := range j.in.messages {
		if m := &j.in.messages[i]; m.bad != "" || j.tooBig(m) || m.end > j.fuzzy {
			return true
		}
	}
	return false
}

func (j *judge) endOfWrites() {
	f := &j.last
	if f.write == cmp.Or(f.end, wsstream.ErrClosed) {
		return
	}
	for _, c := range j.calls {
		switch c.do {
		case doClose, doShutdown, doWClose, doCancel:
			if f.write == wsstream.ErrClosed {
				return
			}
		case doFail, doAbort:
			if f.write == c.cause {
				return
			}
		}
	}
	if wsstream.CloseCode(f.write) == 1001 && j.library() {
		return
	}
	if f.write != nil && strings.Contains(f.write.Error(), "inside a character") {
		return
	}
	j.fault("the end of writes", "%v, and the connection ended with %v", f.write, f.end)
}

// library reports whether the library may have decided to close in order.
func (j *judge) library() bool {
	return j.called(doAcceptor) != nil && !j.p.Client || j.p.Options.IdleTimeout > 0
}

// decisions are the calls that decide to close.
func (j *judge) decisions() (calls []*call) {
	for _, c := range j.calls {
		switch c.do {
		case doClose, doShutdown, doWClose, doFail, doAbort, doCancel:
			if c.who != "probe" {
				calls = append(calls, c)
			}
		case doWriteEnd:
			if c.err != nil && strings.Contains(c.err.Error(), "inside a character") {
				calls = append(calls, c)
			}
		}
	}
	return calls
}

// cleanEnd checks an end for which Closed has no error.
func (j *judge) cleanEnd() {
	f := &j.last
	if !j.in.closed {
		j.fault("Closed is clean, and the peer has sent no Close", "%v; %v", f.info, j.in.broken)
		return
	}
	if f.info.Code != j.in.code || f.info.Reason != j.in.reason {
		j.fault("Closed has another code than the peer's", "%v, and the peer's is %d %q", f.info,
			j.in.code, j.in.reason)
	}
	if j.near != nil && !j.out.closed && j.near.outErr == nil && j.calm() {
		j.fault("Closed is clean, and we have sent no Close", "%v", f.info)
	}
	// Which party decided first?
	peer, program := true, len(j.decisions()) > 0
	if m, ok := j.closeRead(); ok {
		for _, c := range j.decisions() {
			if c.end < m.tick && (c.err == nil || c.late == nil) && c.do != doWClose && c.do != doFail {
				peer = false
			}
		}
		if first := j.decisions(); len(first) > 0 && slices.MinFunc(first, func(a, b *call) int {
			return cmp.Compare(a.from, b.from)
		}).from > m.at+time.Millisecond {
			program = false
		}
	}
	var may []string
	done := j.in.code == 1000 || j.in.code == 1005
	if peer {
		may = append(may, j.coded(done && !j.in.torn, j.in.torn))
	}
	if program {
		may = append(may, j.coded(done || j.out.closed && j.in.code == j.out.code, j.in.torn))
	}
	if j.library() {
		may = append(may, "1001 false")
	}
	got := "EOF"
	if f.end != nil {
		got = fmt.Sprintf("%d %v", wsstream.CloseCode(f.end), errors.Is(f.end, io.ErrUnexpectedEOF))
	}
	if !slices.Contains(may, got) {
		j.fault("the end is not in the table", "%v (%s), and may be %q; the peer's Close is %d (torn: %v), ours %d",
			f.end, got, may, j.in.code, j.in.torn, j.out.code)
	}
}

// coded names an end with the peer's code.
func (j *judge) coded(eof, torn bool) string {
	if eof {
		return "EOF"
	}
	return fmt.Sprintf("%d %v", j.in.code, torn)
}

// closeRead returns when the peer's Close was read.
func (j *judge) closeRead() (mark, bool) {
	if j.near == nil || !j.in.closed {
		return mark{}, false
	}
	return j.near.in.when(j.in.stop)
}

// uncleanEnd checks an end for which Closed has an error.
func (j *judge) uncleanEnd(e *wsstream.Error) {
	f := &j.last
	text := f.closed.Error()
	has := func(s string) bool { return strings.Contains(text, s) }
	o := j.p.Options
	if e.Code != 1006 && (!j.in.closed || e.Code != j.in.code) && j.fuzzy > j.in.end {
		j.fault("Closed has a code that the peer has not sent", "%v", f.closed)
	}
	var ok bool
	switch {
	case has("we closed with"):
		ok = j.broken(text)
		if has("PongTimeout") && j.near != nil {
			ok = ok && j.silent()
		}
	case has("we cut the connection"):
		ok = j.called(doCloseNow) != nil || j.called(doShutdown, doAcceptor) != nil
	case has("within our CloseTimeout"):
		ok = j.late()
	case has("could not be sent"):
		ok = j.in.closed
	default: // the transport
		ok = j.lost()
	}
	if !ok {
		j.fault("an unclean end without a reason", "%v; pings %v, idle %v", f.closed, o.PingInterval, o.IdleTimeout)
	}
	if j.calm() {
		j.fault("an unclean end in calm", "%v", f.closed)
	}
}

// silent reports whether nothing came within PongTimeout before our Close, and a ping had left.
func (j *judge) silent() bool {
	if !j.out.closed {
		return true // it never left, so it is not known when that was
	}
	left, _ := j.near.out.when(j.out.stop)
	wait := j.p.Options.PongTimeout
	if wait == 0 {
		wait = wsstream.DefaultPongTimeout
	}
	pinged := false
	for _, c := range j.out.controls {
		if m, ok := j.near.out.when(c.end); ok && c.op == opPing {
			pinged = pinged || m.at <= left.at-wait
		}
	}
	for _, m := range j.near.in.marks {
		if m.at > left.at-wait && m.at < left.at {
			return false
		}
	}
	return pinged
}

// late reports whether CloseTimeout may have passed.
func (j *judge) late() bool {
	return j.called(doClose, doShutdown, doWClose, doFail, doAbort, doCancel, doAcceptor) != nil ||
		j.p.Options.IdleTimeout > 0 || j.in.closed || j.near != nil && j.near.outErr != nil ||
		j.called(doWriteEnd) != nil
}

// lost reports whether the transport was lost before the end.
func (j *judge) lost() bool {
	return j.near == nil || j.near.inErr != nil || j.near.outErr != nil
}

// broken reports whether the input breaks the rule that an error names.
func (j *judge) broken(text string) bool {
	code := brokenCode(text)
	o := j.p.Options
	switch code {
	case 1002:
		return j.in.broken != "" && j.in.brokenCode == 1002 || j.fuzzy <= j.in.end
	case 1007:
		if j.in.broken != "" && j.in.brokenCode == 1007 {
			return true
		}
		return slices.ContainsFunc(j.in.messages, func(m message) bool { return m.bad != "" || m.end > j.fuzzy })
	case 1009:
		return slices.ContainsFunc(j.in.messages, func(m message) bool {
			return j.tooBig(&m) || m.end > j.fuzzy || !m.whole && o.MaxMessageSize >= 0
		})
	case 1008:
		return j.in.empties > 16<<10 || o.PingInterval > 0 && o.PongTimeout >= 0 ||
			o.WriteStallTimeout > 0 || o.ReadStallTimeout > 0
	}
	return false
}

// brokenCode returns the code that an error says we closed with; 0 if it says nothing.
func brokenCode(text string) (code int) {
	if _, after, ok := strings.Cut(text, "we closed with "); ok {
		_, _ = fmt.Sscanf(after, "%d", &code) // 0 if there is no number
	}
	return code
}

// ourCode checks the code of our Close.
func (j *judge) ourCode() {
	if !j.out.closed {
		return
	}
	may := []int{}
	for _, c := range j.decisions() {
		may = append(may, codeOf(c))
	}
	if j.in.closed {
		may = append(may, j.in.code)
	}
	if j.library() {
		may = append(may, 1001)
	}
	text := fmt.Sprint(j.last.closed)
	if code := brokenCode(text); code != 0 {
		may = append(may, code)
	}
	if c := j.firstDecision(); c != nil && !strings.Contains(text, "we closed with ") && !j.library() {
		may = []int{codeOf(c)}
	}
	if !slices.Contains(may, j.out.code) {
		j.fault("our Close has a code that nothing asks for", "%d, and may have %v; Closed is %v", j.out.code,
			may, j.last.closed)
	}
}

// firstDecision returns the call that has surely decided before all others; nil if there is none.
func (j *judge) firstDecision() *call {
	all := j.decisions()
	if j.near == nil {
		return nil
	}
	for _, c := range all {
		switch c.do {
		case doClose, doShutdown, doAbort, doCancel:
		default:
			continue
		}
		end := c.end
		if c.do == doShutdown {
			end = c.begin // it waits for the end, and decides at some time before
		}
		if m, ok := j.closeRead(); ok && m.tick < end {
			continue
		}
		first := true
		for _, d := range all {
			first = first && (d == c || d.begin > end && (c.do != doShutdown || d.from > c.from))
		}
		if m, ok := j.closeRead(); ok && c.do == doShutdown && m.at <= c.from {
			continue
		}
		if first {
			return c
		}
	}
	return nil
}

// codeOf returns the code with which a call closes.
func codeOf(c *call) int {
	switch c.do {
	case doWClose:
		return 1000
	case doAbort, doCancel, doFail:
		if c.step.Code != 0 {
			return c.step.Code
		}
		return 1011
	case doWriteEnd:
		return 1011
	}
	if c.info.Code == 0 {
		return 1005
	}
	return c.info.Code
}

// calm reports whether nothing was planned that makes the end unclean.
func (j *judge) calm() bool {
	p := &j.p.Peer
	o := j.p.Options
	if len(p.Faults) > 0 || p.CutOut > 0 || p.OnClose != closeEcho || p.Pace > 0 || len(p.Reads) > 0 ||
		o.PingInterval > 0 || o.IdleTimeout > 0 || o.WriteStallTimeout > 0 || o.ReadStallTimeout > 0 ||
		o.CloseTimeout != 0 || !j.p.Drain || j.dropsOutput() || j.drops() || p.Linger {
		return false
	}
	waits := j.p.Span // with a full window, a Close is read when messages are pulled
	for _, c := range j.p.Callers {
		for _, step := range c.Steps {
			waits += max(step.Wait, 0) * time.Duration(1+c.Again)
		}
	}
	if waits > 3*time.Second {
		return false
	}
	var sends time.Duration // the answer to our Close waits behind that
	for i := range p.Acts {
		a := &p.Acts[i]
		sends += (a.Wait + a.Pause*time.Duration(len(a.Parts))) * time.Duration(1+p.Again)
		if a.Do == actBreach || a.Do == actPart || a.Do == actEmpty || a.Do == actTorn ||
			sends > time.Second {
			return false
		}
	}
	return !j.firstBad() && j.in.broken == ""
}
