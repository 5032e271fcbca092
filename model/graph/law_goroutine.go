package graph

import (
	"errors"
	"io"
	"slices"

	"github.com/wsstream/wsstream/stream"
)

// The laws of the operators that have goroutines.

// inGoroutine is what a goroutine makes of an end: it passes a panic on as a *Panic.
func (p promise) inGoroutine() promise {
	if p.end != nil && p.end.panicked != nil {
		p.fail = &cause{any: true}
	}
	return p
}

// leftSince reports whether a Pull has been ended by its context since the nth event. Its demand
// may have been taken for good.
func (r *rlog) leftSince(n int) bool {
	return slices.ContainsFunc(r.pulls, func(c *call) bool {
		return c.left && !c.dead && c.ended.n > n
	})
}

// leftNow reports whether a context has ended a Pull since the last quiescent point.
func (r *rlog) leftNow() bool {
	return slices.ContainsFunc(r.pulls, func(c *call) bool {
		return c.left && !c.dead && c.ended.epoch == r.w.epoch
	})
}

// wantedSince reports whether a Pull has waited since in gave its last chunk, beside the Pull that
// got that chunk.
func (r *rlog) wantedSince(in *rlog) bool {
	n := in.lastValue()
	return slices.ContainsFunc(r.pulls, func(c *call) bool {
		got := n > 0 && c.err == nil && c.v == in.values[len(in.values)-1]
		return !c.dead && !got && (!c.ended.set() || c.ended.n > n)
	})
}

// lastValue returns the number of the event that delivered the last chunk.
func (r *rlog) lastValue() int {
	if len(r.by) == 0 {
		return 0
	}
	return r.by[len(r.by)-1].ended.n
}

// parallel is the law of Parallel: the results of f in order, at most n of them held. The function
// f is pure. The log of its calls is calls.
func (w *world) parallel(
	name string, in, out *rlog, n int, f func(v any) (any, any, error), calls *callbacks,
) {
	run := func() promise {
		return elementwise(in, func(v any, emit func(any)) (any, error) {
			r, panicked, err := f(v)
			if err == nil && panicked == nil {
				emit(r)
			}
			return panicked, err
		}).inGoroutine()
	}
	// taken returns how many chunks of in are done with: at least, and at most.
	taken := func() (least, most int) {
		delivered := 0
		for i, v := range in.values {
			_, panicked, err := f(v)
			switch {
			case err == nil && panicked == nil:
				if delivered == len(out.values) {
					return least, i
				}
				delivered++
				least = i + 1
			case panicked != nil || !errors.Is(err, stream.Skip):
				return least, i + 1
			}
		}
		return least, len(in.values)
	}
	in.onPull = append(in.onPull, func() {
		if !out.pulled() {
			w.faultLocked("%s: pulls before the first Pull", name)
		}
		if _, most := taken(); len(in.values)-most-out.waiting() >= n {
			w.faultLocked("%s: pulls while it holds %d chunks", name, n)
		}
		if in.waiting() > 0 {
			w.faultLocked("%s: pulls concurrently", name)
		}
	})
	w.add(law{always: func() {
		if calls.most > n {
			w.faultLocked("%s: %d concurrent calls of a function", name, calls.most)
		}
	}})
	w.delivers(out, run, func(p promise) {
		fails := failsOf(calls.over, f)
		if p.fail == nil || out.end != nil || len(fails) > 0 || out.cancelled() {
			w.cancelLocked(name, in, []*rlog{out}, append(fails, panicOf(in)...))
		}
		w.cancelResultLocked(name, []*rlog{in}, out)
		over := out.cancelled() || out.end != nil || in.end != nil || len(fails) > 0
		least, _ := taken()
		if out.pulled() && !over && in.waiting() == 0 && len(in.values)-least < n {
			w.faultLocked("%s: does not pull, and holds %d of %d chunks",
				name, len(in.values)-least, n)
		}
		if out.waiting() > 0 && calls.in == 0 && in.waiting() == 0 {
			w.faultLocked("%s: a Pull waits, and no work is in progress", name)
		}
		if out.waiting() > 0 && len(p.out) > len(out.values) && calls.in == 0 {
			w.faultLocked("%s: a Pull waits for a result that is there", name)
		}
		calls.eachOnceLocked(w, name, in, out.cancelled() || len(fails) > 0)
	})
}

// failsOf returns what a Parallel cancels its source with: the failure of any chunk whose call is
// over, since they are worked on concurrently.
func failsOf(over []any, f func(any) (any, any, error)) (all []cause) {
	for _, v := range over {
		_, panicked, err := f(v)
		switch {
		case panicked != nil:
			all = append(all, cause{any: true})
		case err != nil && !errors.Is(err, stream.Skip):
			all = append(all, *failed(nil, err).fail)
		}
	}
	return all
}

// panicOf returns what the panic of a source makes of its cause.
func panicOf(in *rlog) []cause {
	if in.end != nil && in.end.panicked != nil {
		return []cause{{any: true}}
	}
	return nil
}

// merge is the law of Merge: the chunks of each source in order, at most one of each held.
func (w *world) merge(name string, ins []*rlog, out *rlog) {
	// of returns how many chunks of in were delivered. It reports a fault if they are not the
	// first ones in order.
	of := func(in *rlog) (n int) {
		for _, v := range out.values {
			if slices.Contains(in.values, v) {
				if !out.many && in.values[n] != v {
					w.faultLocked("%s: delivers %v of %s as its number %d", name, v, in.name, n)
				}
				n++
			}
		}
		return n
	}
	failure := func() (ends []*ending) {
		for _, in := range ins {
			if in.end != nil && in.end.err != io.EOF {
				ends = append(ends, in.end)
			}
		}
		return ends
	}
	allEnded := func() bool {
		return !slices.ContainsFunc(ins, func(in *rlog) bool {
			return in.end == nil || in.end.err != io.EOF
		})
	}
	for _, in := range ins {
		in.onPull = append(in.onPull, func() {
			if !out.wantedSince(in) {
				w.faultLocked("%s: pulls %s without demand", name, in.name)
			}
			if in.waiting() > 0 {
				w.faultLocked("%s: pulls %s concurrently", name, in.name)
			}
		})
	}
	check := func(quiet bool) {
		total := 0
		for _, in := range ins {
			n := of(in)
			total += n
			bound := 1
			if !quiet {
				bound += out.waiting() // chunks on their way to a Pull
			}
			if len(in.values)-n > bound && len(out.cancels) == 0 && len(failure()) == 0 {
				w.faultLocked("%s: holds %d chunks of %s", name, len(in.values)-n, in.name)
			}
		}
		if total != len(out.values) {
			w.faultLocked("%s: delivers a chunk twice, or one that no source gave it", name)
		}
		if out.end == nil || len(out.cancels) > 0 {
			return
		}
		fails := failure()
		for _, in := range ins {
			for i, by := range in.by {
				if len(fails) > 0 && by.ended.epoch >= fails[0].at.epoch {
					break // pulled concurrently with the failure
				}
				if i >= of(in)+out.waiting() {
					w.faultLocked("%s: ends before %v of %s", name, in.values[i], in.name)
				}
			}
		}
		if len(fails) == 0 && (out.end.err != io.EOF || !allEnded()) ||
			len(fails) > 0 && !slices.ContainsFunc(fails, func(e *ending) bool {
				return endsAs(e, out.end, out.many)
			}) {
			w.faultLocked("%s: ends with %v; the model says one of %v", name, out.end, fails)
		}
	}
	w.add(law{
		always: func() { check(false) },
		quiet: func() {
			check(true)
			fails := failure()
			var causes []cause
			for _, e := range fails {
				causes = append(causes, cause{err: e.err, any: e.panicked != nil})
			}
			for _, in := range ins {
				w.cancelLocked(name, in, []*rlog{out}, causes)
				if out.waiting() == 0 || len(fails) > 0 {
					continue
				}
				if in.end == nil && in.waiting() == 0 {
					w.faultLocked("%s: a Pull waits, and %s is not pulled", name, in.name)
				}
				if of(in) < len(in.values) {
					w.faultLocked("%s: a Pull waits for a chunk of %s", name, in.name)
				}
			}
			w.cancelResultLocked(name, ins, out)
			if out.waiting() > 0 && (len(fails) > 0 || allEnded()) {
				w.faultLocked("%s: a Pull waits behind the end of the sources", name)
			}
		},
	})
}

// tee is the law of Tee: both branches deliver all chunks, in order, and hold what their marks
// allow.
func (w *world) tee(name string, in *rlog, outs []*rlog, marks []int) {
	run := func() promise { return passed(in.values, in.end).inGoroutine() }
	in.onPull = append(in.onPull, func() {
		if !outs[0].pulled() && !outs[1].pulled() {
			w.faultLocked("%s: pulls before the first Pull", name)
		}
		for i, out := range outs {
			if len(out.cancels) > 0 || out.waiting() > 0 || out.leftNow() {
				continue
			}
			if held := len(in.values) - len(out.values); held >= max(marks[i], 0) {
				w.faultLocked("%s: pulls while %s is full with %d chunks", name, out.name, held)
			}
		}
	})
	w.add(law{
		always: func() {
			p := run()
			for _, out := range outs {
				out.deliveredLocked(p.out, false)
				out.endLocked(p)
			}
		},
		quiet: func() {
			p := run()
			room, live := 0, 0
			// The first branch has lost the Pull that the chunk in hand came for.
			stuck := !outs[0].cancelled() && len(in.values)-len(outs[0].values) > max(marks[0], 0)
			for i, out := range outs {
				out.deliveredLocked(p.out, true)
				held := len(in.values) - len(out.values)
				switch {
				case out.cancelled():
					continue
				case out.waiting() > 0 && held == 1 && i == 1 && stuck:
				case out.waiting() > 0 && (held > 0 || p.end != nil):
					w.faultLocked("%s: a Pull of %s waits for what is there", name, out.name)
				case held > max(marks[i], 1):
					w.faultLocked("%s: %s holds %d chunks", name, out.name, held)
				}
				live++
				if held < max(marks[i], 0) || out.waiting() > 0 {
					room++
				}
			}
			started := outs[0].pulled() || outs[1].pulled()
			if started && live > 0 && room == live && in.waiting() == 0 && in.end == nil {
				w.faultLocked("%s: has room and does not pull", name)
			}
			w.teeCancelLocked(name, in, outs, p)
		},
	})
}

// teeCancelLocked is the law that the source is cancelled after both branches are.
func (w *world) teeCancelLocked(name string, in *rlog, outs []*rlog, p promise) {
	a, b := outs[0].cancels, outs[1].cancels
	if p.fail != nil {
		return // by a panic: any error
	}
	if len(a) == 0 || len(b) == 0 {
		for _, c := range in.cancels {
			w.faultLocked("%s: cancels %s with %v, and a branch is live", name, in.name, c.cause)
		}
		return
	}
	var both []cause
	for _, x := range a {
		for _, y := range b {
			both = append(both,
				cause{err: errors.Join(x.cause, y.cause)}, cause{err: errors.Join(y.cause, x.cause)})
		}
	}
	if outs[0].cancelled() && outs[1].cancelled() {
		w.cancelLocked(name, in, nil, both)
	}
}

// A stopping says how the function of a Stage stops by itself, when it has pulled the chunk of that
// number. A negative number means that it does not.
type stopping struct {
	at       int
	err      error
	panicked any
}

// stage is the law of Stage with a function that moves chunks, and may stop by itself.
func (w *world) stage(name string, in, out *rlog, mark int, stop stopping) {
	run := func() promise {
		if stop.at >= 0 && len(in.values) > stop.at {
			vs := in.values[:stop.at]
			switch {
			case stop.panicked != nil:
				return panics(vs, stop.panicked)
			case stop.err == nil:
				return promise{vs, &ending{err: io.EOF}, &cause{}}
			}
			return promise{vs, &ending{err: stop.err}, &cause{err: stop.err}}
		}
		return passed(in.values, in.end).inGoroutine()
	}
	in.onPull = append(in.onPull, func() {
		held := len(in.values) - len(out.values)
		if !out.pulled() {
			w.faultLocked("%s: pulls before the first Pull", name)
		}
		if held > max(mark, 0)+out.waiting() && !out.leftSince(0) {
			w.faultLocked("%s: its function pulls while %d chunks are held", name, held)
		}
	})
	w.delivers(out, run, func(p promise) {
		var fails []cause
		// The function stops when it has written what came before.
		if p.fail != nil && len(p.out)-len(out.values) <= max(mark, 0) {
			fails = append(fails, *p.fail)
		} else if p.fail != nil {
			return
		}
		w.cancelLocked(name, in, []*rlog{out}, fails)
		w.cancelResultLocked(name, []*rlog{in}, out)
		held := len(p.out) - len(out.values)
		if out.waiting() > 0 && (held > 0 || p.end != nil) {
			w.faultLocked("%s: a Pull waits for what is there", name)
		}
		if out.pulled() && !out.cancelled() && p.end == nil && in.waiting() == 0 &&
			held <= max(mark, 0) {
			w.faultLocked("%s: its function has room and does not pull", name)
		}
	})
}

// callbacks is the log of the calls of a function.
type callbacks struct {
	of   []any // the chunks that it was called for
	at   []int // the number of the last event before each of these calls
	over []any // those of them whose call has returned
	in   int   // calls in progress
	most int   // concurrent calls, at most
}

// enter notes a call for v, and returns a function that notes its end.
func (c *callbacks) enter(w *world, v any) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.of, c.at = append(c.of, v), append(c.at, w.events)
	c.in++
	c.most = max(c.most, c.in)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		c.in--
		c.over = append(c.over, v)
	}
}

// within reports whether the function was called for the chunk of a Write, during it.
func (c *callbacks) within(write *call) bool {
	for i, v := range c.of {
		if v == write.v && c.at[i] >= write.began.n &&
			(!write.ended.set() || c.at[i] < write.ended.n) {
			return true
		}
	}
	return false
}

// eachOnceLocked is the law that the function is called once for each chunk that was pulled. If
// some, it may have been left out for the last ones.
func (c *callbacks) eachOnceLocked(w *world, name string, in *rlog, some bool) {
	for i, v := range c.of {
		if slices.Contains(c.of[:i], v) {
			w.faultLocked("%s: calls its function again for %v", name, v)
		}
		if !slices.Contains(in.values, v) {
			w.faultLocked("%s: calls its function for %v, which was not pulled", name, v)
		}
	}
	if !some && len(c.of) != len(in.values) {
		w.faultLocked("%s: calls its function for %d of %d chunks", name, len(c.of), len(in.values))
	}
}
