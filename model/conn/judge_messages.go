package conn

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream"
)

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
			j.fault("a message that was accepted was not sent", "%v, and Closed is %v",
				e.call, j.last.closed)
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
		if i > 0 && bytes < 3<<10 && j.called(doAbort) == nil &&
			!strings.Contains(fmt.Sprint(j.last.closed), "we closed") {
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
