package graph

import (
	"io"
	"slices"
	"time"

	"github.com/wsstream/wsstream/stream"
)

// A dropped chunk, as OnDrop told it.
type dropped struct {
	handle *stream.Subscription[item]
	v      any
	at     stamp
}

// A sub is one subscription of a broadcast, and its part of the model.
type sub struct {
	name   string
	out    *rlog
	of     Sub
	policy string
	mark   int
	limit  stream.Strategy[item]
	size   func(any) int
	grace  time.Duration // of DisconnectAfter
	handle *stream.Subscription[item]

	began, done stamp // of Subscribe
	// count is how many chunks had been published when it came, and from is the number of the first
	// chunk that it gets, replayed or not: at least, and at most. They differ if its Subscribe
	// overlapped a Publish, until the log tells whether it has got that chunk.
	count, from [2]int
}

// narrow notes that Subscribe came behind at least, and at most, so many chunks.
func (s *sub) narrow(least, most, replay int) {
	s.count = [2]int{max(s.count[0], least), min(s.count[1], most)}
	for i, n := range s.count {
		s.from[i] = max(0, n-replay)
	}
}

// casting is the law of a Broadcast with one publisher.
type casting struct {
	w      *world
	name   string
	in     *wlog // of the publisher
	cast   *stream.Broadcast[item]
	replay int
	key    func(any) int
	subs   []*sub
	drops  []dropped
	slow   error // of a subscription that was disconnected
	end    error // of the Broadcast; io.EOF for Close
}

func (b *casting) law() { b.w.add(law{always: b.always, quiet: b.quiet}) }

// published returns the chunks that have been published, or are being.
func (b *casting) published() []any {
	vs := slices.Clone(b.in.taken)
	for _, c := range b.in.writes {
		if !c.ended.set() {
			vs = append(vs, c.v)
		}
	}
	return vs
}

// publishOf returns when the Publish of the nth chunk began.
func (b *casting) publishOf(v any) stamp {
	for _, c := range b.in.writes {
		if c.v == v {
			return c.began
		}
	}
	return stamp{}
}

func (b *casting) always() {
	for _, s := range b.subs {
		b.overlap(s)
		b.order(s, b.published())
		b.endOf(s)
	}
}

// overlap looks at what s delivered or dropped of the chunks whose Publish its Subscribe overlapped.
// It has got these, and all behind them.
func (b *casting) overlap(s *sub) {
	if s.from[0] == s.from[1] {
		return
	}
	all := b.published()
	for at := s.from[0]; at < min(s.from[1], len(all)); at++ {
		if slices.Contains(s.out.values, all[at]) || slices.Contains(b.lost(s), all[at]) {
			s.narrow(0, at+b.replay, b.replay)
			return
		}
	}
}

// order is the law that a subscription delivers what was published, once, and in order unless its
// policy is Latest, and nothing that was dropped.
func (b *casting) order(s *sub, all []any) {
	last := -1
	for i, v := range s.out.values {
		at := slices.Index(all, v)
		switch {
		case at < 0 || slices.Index(s.out.values, v) < i:
			b.w.faultLocked("%s: delivers %v again, or it was not published", s.name, v)
		case at < s.from[0]:
			b.w.faultLocked("%s: delivers %v, which came before it", s.name, v)
		case at < last && s.policy != "latest":
			b.w.faultLocked("%s: delivers %v too late", s.name, v)
		}
		last = max(last, at)
		if s.policy == "latest" && slices.ContainsFunc(s.out.values[:i], func(o any) bool {
			return b.key(o) == b.key(v) && slices.Index(all, o) > at
		}) {
			b.w.faultLocked("%s: delivers %v behind a newer one of its key", s.name, v)
		}
	}
	for _, d := range b.drops {
		if d.handle == s.handle && slices.Contains(s.out.values, d.v) {
			b.w.faultLocked("%s: drops %v, and delivers it", s.name, d.v)
		}
	}
}

// lost returns the chunks that s has dropped.
func (b *casting) lost(s *sub) (vs []any) {
	for _, d := range b.drops {
		if d.handle == s.handle {
			vs = append(vs, d.v)
		}
	}
	return vs
}

// held returns the chunks that s holds at a quiescent point.
func (b *casting) held(s *sub, all []any) []any { return b.heldFrom(s, s.from[1], all) }

// heldFrom returns the chunks from number n on that s holds, if it gets these.
func (b *casting) heldFrom(s *sub, n int, all []any) (vs []any) {
	lost := b.lost(s)
	for _, v := range all[min(n, len(all)):] {
		if !slices.Contains(s.out.values, v) && !slices.Contains(lost, v) {
			vs = append(vs, v)
		}
	}
	return vs
}

func (s *sub) sum(vs []any) (n int) {
	for _, v := range vs {
		n += s.size(v)
	}
	return n
}

// couldHold returns the size of what s may have held when the Publish of v began.
func (b *casting) couldHold(s *sub, v any, all []any) int {
	began := b.publishOf(v)
	var vs []any
	for at, o := range all {
		if o == v {
			break
		}
		gone := at < s.count[0] // what was replayed does not count against the limit
		for i, d := range s.out.values {
			gone = gone || d == o && s.out.by[i].ended.n < began.n
		}
		for _, d := range b.drops {
			gone = gone || d.handle == s.handle && d.v == o && d.at.n < began.n
		}
		if !gone {
			vs = append(vs, o)
		}
	}
	return s.sum(vs)
}

// drop notes that a subscription has dropped v, and checks that it had to.
func (b *casting) drop(handle *stream.Subscription[item], v any) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	d := dropped{handle, v, b.w.stampLocked("%s: drops %v", b.name, v)}
	if i := slices.IndexFunc(b.subs, func(s *sub) bool { return s.handle == handle }); i >= 0 {
		b.dropBy(b.subs[i], v)
	}
	b.drops = append(b.drops, d)
}

func (b *casting) dropBy(s *sub, v any) {
	all := b.published()
	newest := all[len(all)-1]
	held := b.couldHold(s, newest, all)
	conflated := s.policy == "latest" && v != newest && b.key(v) == b.key(newest)
	switch {
	case b.in.waiting() == 0 && !slices.ContainsFunc(b.in.readies, func(c *call) bool {
		return !c.ended.set()
	}):
		b.w.faultLocked("%s: drops %v outside of a Publish", s.name, v)
	case s.policy == "block" || s.policy == "disconnect":
		b.w.faultLocked("%s: drops %v", s.name, v)
	case s.policy == "after":
	case held < max(s.mark, 0) && !conflated:
		b.w.faultLocked("%s: drops %v, and holds %d at most", s.name, v, held)
	case s.policy == "newest" && v != newest:
		b.w.faultLocked("%s: drops %v, which is not the newest", s.name, v)
	case s.policy != "newest" && s.mark > 0 && v == newest:
		b.w.faultLocked("%s: drops %v, the newest", s.name, v)
	case s.policy == "oldest" && s.mark > 0:
		b.oldest(s, v, all)
	}
}

// oldest is the law that v is the oldest chunk that s may hold, but for those on their way to a
// Pull.
func (b *casting) oldest(s *sub, v any, all []any) {
	older, lost := 0, b.lost(s)
	for at, o := range all[:slices.Index(all, v)] {
		if at >= s.from[1] && !slices.Contains(s.out.values, o) && !slices.Contains(lost, o) {
			older++
		}
	}
	if older > s.out.waiting() {
		b.w.faultLocked("%s: drops %v, and holds %d older chunks", s.name, v, older)
	}
}

// endOf is the law of how a subscription ends.
func (b *casting) endOf(s *sub) {
	end := s.out.end
	if end == nil {
		return
	}
	slow := end.err == b.slow
	switch {
	case slow && s.policy != "disconnect" && s.policy != "after":
		b.w.faultLocked("%s: ends with %v", s.name, end)
	case slow && s.policy == "disconnect":
		all := b.published()
		var first any // that it missed
		full := false
		for n := s.from[0]; n <= min(s.from[1], len(all)) && !full; n++ {
			if missed := b.heldFrom(s, n, all); len(missed) > 0 {
				first = missed[0]
				full = b.couldHold(s, first, all) >= max(s.mark, 0)
			}
		}
		if !full {
			b.w.faultLocked("%s: ends with %v before %v, and was not full", s.name, end, first)
		}
	case slow:
		if n := len(s.out.by); n > 0 && s.out.by[n-1].ended.at+s.grace > end.at.at {
			b.w.faultLocked("%s: ends with %v too early", s.name, end)
		}
	case end.err != b.end:
		b.w.faultLocked("%s: ends with %v; the model says %v", s.name, end, b.end)
	case end.err == io.EOF && len(s.out.cancels) == 0:
		if held := b.held(s, b.in.taken); len(held) > s.out.waiting() {
			b.w.faultLocked("%s: ends before %v", s.name, held)
		}
	}
}

func (b *casting) quiet() {
	all, dropped := b.in.taken, int64(len(b.drops))
	if n := b.cast.Dropped(); n != dropped {
		b.w.faultLocked("%s: says that it dropped %d; it told %d", b.name, n, dropped)
	}
	stuck := false
	live := 0
	for _, s := range b.subs {
		if s.handle == nil {
			continue
		}
		if n := s.handle.Dropped(); n != int64(len(b.lost(s))) {
			b.w.faultLocked("%s: says that it dropped %d of %v", s.name, n, b.lost(s))
		}
		held := b.held(s, all)
		over := b.end != nil || s.out.cancelled() || s.out.end != nil || isDone(s.handle.Done())
		if s.out.waiting() > 0 && (len(held) > 0 && !isDone(s.handle.Done()) || over) {
			b.w.faultLocked("%s: a Pull waits for %v or the end", s.name, held)
		}
		// Behind Close, a subscription still holds what it held, unless it was disconnected before.
		kept := b.end == io.EOF && s.policy != "disconnect" && s.policy != "after"
		if !over || kept && !s.out.cancelled() && s.out.end == nil {
			b.holds(s, held)
		}
		if over {
			continue
		}
		live++
		b.fifo(s, held, all)
		if s.out.waiting() > 0 { // it holds nothing, and has not got what it has not delivered
			for at := min(s.from[1], len(all)) - 1; at >= s.from[0]; at-- {
				if !slices.Contains(s.out.values, all[at]) {
					s.narrow(at+1+b.replay, s.count[1], b.replay)
					break
				}
			}
		}
		if b.blocks(s, b.heldFrom(s, s.count[0], all)) {
			stuck = true
		}
	}
	if n := b.cast.Len(); n < live {
		b.w.faultLocked("%s: has %d subscribers of %d", b.name, n, live)
	}
	writing := b.in.waiting() > 0 ||
		slices.ContainsFunc(b.in.readies, func(c *call) bool { return !c.ended.set() })
	if writing && !stuck {
		b.w.faultLocked("%s: Publish waits, and every subscription has room", b.name)
	}
}

// holds is the law that a subscription holds what its mark allows, beside what was replayed.
func (b *casting) holds(s *sub, held []any) {
	n := len(held) - 1 - b.replay
	if n > 0 && s.sum(held[len(held)-1-n:len(held)-1]) >= max(s.mark, 1) {
		b.w.faultLocked("%s: holds %v above its mark %d", s.name, held, s.mark)
	}
}

// fifo is the law that what is held came behind what was delivered, unless the policy is Latest.
func (b *casting) fifo(s *sub, held, all []any) {
	for _, v := range held {
		for i, o := range held {
			if s.policy == "latest" && v != o && b.key(v) == b.key(o) && i >= b.replay &&
				b.replay == 0 {
				b.w.faultLocked("%s: holds %v and %v of one key", s.name, v, o)
			}
		}
		for _, d := range s.out.values {
			if s.policy != "latest" && slices.Index(all, d) > slices.Index(all, v) {
				b.w.faultLocked("%s: lost %v", s.name, v)
			}
		}
	}
}

// blocks reports whether a Publish may wait for s, which holds held beside what was replayed.
func (b *casting) blocks(s *sub, held []any) bool {
	if s.out.waiting() > 0 || s.sum(held) < s.mark {
		return false
	}
	if s.policy != "after" {
		return s.policy == "block"
	}
	until := b.until(s)
	if s.mark <= 0 { // its time starts when the Publish finds it, behind its waits for others
		for _, o := range b.subs {
			if o == s {
				continue
			}
			if n := len(o.out.by); n > 0 {
				until = max(until, o.out.by[n-1].ended.at+s.grace)
			}
			for _, c := range o.out.cancels {
				until = max(until, c.began.at+s.grace)
			}
			if o.policy == "after" && o.handle != nil {
				until = max(until, b.until(o)+s.grace)
			}
		}
	}
	return time.Since(b.w.began) <= until
}

// until returns when the time of s, whose policy is DisconnectAfter, is over at the latest, if no
// Publish has waited for another subscription.
func (b *casting) until(s *sub) time.Duration {
	var since time.Duration
	if n := len(s.out.by); n > 0 {
		since = s.out.by[n-1].ended.at
	}
	for _, c := range b.in.writes {
		if c.ended.set() && c.err == nil {
			since = max(since, c.ended.at)
		} else if !c.ended.set() {
			since = max(since, c.began.at)
		}
	}
	for _, c := range b.in.readies {
		if !c.ended.set() {
			since = max(since, c.began.at)
		}
	}
	return since + s.grace
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
