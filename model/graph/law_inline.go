package graph

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/wsstream/wsstream/stream"
)

// A promise is what an operator makes of the chunks that it has pulled so far, and of their end.
type promise struct {
	out  []any   // the chunks that it delivers
	end  *ending // what comes behind them; nil if nothing yet
	fail *cause  // set if the operator has failed by itself
}

// A cause is what the source of an operator is cancelled with.
type cause struct {
	err error
	any bool // any error: the package does not tell which
}

func (c cause) matches(err error) bool { return c.any && err != nil || same(c.err, err) }

// same reports whether two errors are the same, or the same errors joined.
func same(a, b error) bool {
	return a == b || a != nil && b != nil && a.Error() == b.Error() &&
		reflect.TypeOf(a) == reflect.TypeOf(b)
}

// anyError stands for an error of package stream that cannot be named.
var anyError = errors.New("any error")

// endsAs reports whether got is the end that was promised.
func endsAs(want, got *ending, many bool) bool {
	switch {
	case want == nil:
		return false
	case want.panicked != nil && got.panicked != nil:
		return samePanic(want.panicked, got.panicked)
	case want.panicked != nil:
		return many && got.err != nil && got.err != io.EOF
	case got.panicked != nil && isPanic(want.err): // which a Join aborts with
		return samePanic(want.err, got.panicked)
	case want.err == anyError:
		return got.err != nil && got.err != io.EOF
	}
	return got.panicked == nil && same(want.err, got.err)
}

// samePanic compares the values of two panics, whether or not they come in a *Panic.
func samePanic(a, b any) bool { return valueOf(a) == valueOf(b) }

func isPanic(v any) bool {
	_, ok := v.(*stream.Panic)
	return ok
}

func valueOf(v any) any {
	if p, ok := v.(*stream.Panic); ok {
		return p.Value
	}
	return v
}

// deliveredLocked is the law that out delivers the chunks of want: each once, in order, whole. If
// quiet, no chunk is on its way to a Pull.
func (r *rlog) deliveredLocked(want []any, quiet bool) {
	if !r.many {
		for i, v := range r.values {
			if i >= len(want) {
				r.w.faultLocked("%s: delivers %v, which its source has not given it", r.name, v)
				return
			}
			if !reflect.DeepEqual(v, want[i]) {
				r.w.faultLocked("%s: delivers %v as number %d; the model says %v",
					r.name, v, i, want[i])
				return
			}
		}
		return
	}
	r.deliveredToManyLocked(want, quiet)
}

// deliveredToManyLocked is the law for concurrent pulls. The log does not tell their order unless
// one began after a quiescent point at which the other waited.
func (r *rlog) deliveredToManyLocked(want []any, quiet bool) {
	at := make([]int, len(r.values))
	used := make([]bool, len(want))
	last := -1
	for i, v := range r.values {
		at[i] = slices.IndexFunc(want, func(w any) bool { return reflect.DeepEqual(v, w) })
		if at[i] < 0 || used[at[i]] {
			r.w.faultLocked("%s: delivers %v, which the model does not, or not again", r.name, v)
			return
		}
		used[at[i]] = true
		last = max(last, at[i])
		for j := range i {
			a, b := r.by[i], r.by[j]
			if (a.began.epoch < b.began.epoch || a.ended.n < b.began.n) && at[i] > at[j] ||
				(b.began.epoch < a.began.epoch || b.ended.n < a.began.n) && at[j] > at[i] {
				r.w.faultLocked("%s: delivers %v and %v out of order", r.name, v, r.values[j])
			}
		}
	}
	missing := 0
	for i := range last {
		if !used[i] {
			missing++
		}
	}
	if missing > r.waiting() || quiet && missing > 0 {
		r.w.faultLocked("%s: lost %d of %v", r.name, missing, want)
	}
}

// endLocked is the law that out ends as promised, behind all chunks.
func (r *rlog) endLocked(p promise) {
	if r.end == nil {
		return
	}
	if !endsAs(p.end, r.end, r.many) {
		r.w.faultLocked("%s: ends with %v; the model says %v", r.name, r.end, p.end)
	}
	if n := len(p.out) - len(r.values); n > 0 && (n > r.waiting() || !r.many) &&
		len(r.cancels) == 0 {
		r.w.faultLocked("%s: ends with %v before %d of its chunks", r.name, r.end, n)
	}
}

// cancelLocked is the law of Cancel, at a quiescent point: in is cancelled once if out was or if
// the operator failed by itself, with the cause of that, unless in has ended before.
func (w *world) cancelLocked(name string, in *rlog, outs []*rlog, fails []cause) {
	if len(in.cancels) > 1 {
		w.faultLocked("%s: cancels %s %d times", name, in.name, len(in.cancels))
	}
	var allowed []cause
	wanted := len(fails) > 0
	for _, out := range outs {
		for _, c := range out.cancels {
			allowed = append(allowed, cause{err: c.cause})
		}
		wanted = wanted || out.cancelled()
	}
	allowed = append(allowed, fails...)
	ended := in.end != nil && in.end.panicked == nil
	if wanted && !ended && len(in.cancels) == 0 {
		w.faultLocked("%s: does not cancel %s; the model says %v", name, in.name, allowed)
	}
	for _, c := range in.cancels {
		if !slices.ContainsFunc(allowed, func(a cause) bool { return a.matches(c.cause) }) {
			w.faultLocked("%s: cancels %s with %v; the model says one of %v",
				name, in.name, c.cause, allowed)
		}
		missed := slices.ContainsFunc(outs, func(out *rlog) bool { return out.missed(in.end) })
		if ended && in.over() && !missed && c.began.epoch > in.end.at.epoch {
			w.faultLocked("%s: cancels %s, which has ended", name, in.name)
		}
	}
}

// cancelResultLocked is the law that Cancel returns the errors of its sources' Cancels.
func (w *world) cancelResultLocked(name string, ins []*rlog, out *rlog) {
	if len(out.cancels) != 1 || !out.cancels[0].ended.set() {
		return
	}
	k := out.cancels[0]
	for _, in := range ins {
		for _, c := range in.cancels {
			if c.began.n > k.began.n && c.ended.n < k.ended.n && same(c.cause, k.cause) &&
				c.err != nil && !errors.Is(k.err, c.err) {
				w.faultLocked("%s: Cancel returns %v, and Cancel of %s returned %v",
					name, k.err, in.name, c.err)
			}
		}
	}
}

// inline is the law of an operator that runs on the goroutine that pulls, and holds nothing but
// what one chunk became. The function run is its promise.
func (w *world) inline(name string, ins []*rlog, out *rlog, run func() promise) {
	for _, in := range ins {
		in.onPull = append(in.onPull, func() {
			p := run()
			if held := len(p.out) - len(out.values); out.waiting() == 0 || held >= out.waiting() {
				w.faultLocked("%s: pulls %s without demand, with %d chunks held",
					name, in.name, held)
			}
			if p.end != nil && !out.again && (in.end == nil || in.over() && !out.missed(in.end)) {
				w.faultLocked("%s: pulls %s behind %v", name, in.name, p.end)
			}
		})
	}
	w.delivers(out, run, func(p promise) {
		w.inlineWaitsLocked(name, ins, out, len(p.out) > len(out.values) || p.end != nil)
		w.inlineEndLocked(name, ins, out, p)
	})
}

// delivers adds the law that out delivers what run promises, and then ends so. When every goroutine
// waits, quiet looks at the rest.
func (w *world) delivers(out *rlog, run func() promise, quiet func(p promise)) {
	w.add(law{
		always: func() {
			p := run()
			out.deliveredLocked(p.out, false)
			out.endLocked(p)
		},
		quiet: func() {
			p := run()
			out.deliveredLocked(p.out, true)
			quiet(p)
		},
	})
}

// inlineWaitsLocked is the law that a Pull waits only while its operator pulls, and that an
// operator pulls only for a Pull.
func (w *world) inlineWaitsLocked(name string, ins []*rlog, out *rlog, has bool) {
	pulling := slices.ContainsFunc(ins, func(in *rlog) bool { return in.waiting() > 0 })
	switch {
	case out.waiting() > 0 && has:
		w.faultLocked("%s: a Pull waits for a chunk or an end that is there", name)
	case out.waiting() > 0 && !pulling:
		w.faultLocked("%s: a Pull waits, and its operator does not pull", name)
	case out.waiting() == 0 && pulling:
		w.faultLocked("%s: pulls, and no Pull waits", name)
	}
}

// inlineEndLocked is the law of the ends, at a quiescent point.
func (w *world) inlineEndLocked(name string, ins []*rlog, out *rlog, p promise) {
	var fails []cause
	if p.fail != nil {
		if out.end == nil && len(out.cancels) == 0 {
			return // it cancels its source when it delivers its end
		}
		fails = append(fails, *p.fail)
	}
	for _, in := range ins {
		w.cancelLocked(name, in, []*rlog{out}, fails)
	}
	w.cancelResultLocked(name, ins, out)
}

// passed is the promise of an operator whose source has ended with end.
func passed(out []any, end *ending) promise {
	p := promise{out: out, end: end}
	if end != nil && end.panicked != nil {
		p.fail = &cause{any: true}
	}
	return p
}

// failed is the promise of an operator whose function returned err.
func failed(out []any, err error) promise {
	switch {
	case errors.Is(err, stream.SkipAll):
		return promise{out, &ending{err: io.EOF}, &cause{}}
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return promise{out, &ending{err: err}, &cause{err: err}}
}

// panics is the promise of an operator whose function panicked with v.
func panics(out []any, v any) promise {
	return promise{out, &ending{panicked: v}, &cause{any: true}}
}

func (c cause) String() string {
	if c.any {
		return "any error"
	}
	return fmt.Sprint(c.err)
}

// elementwise is the promise of an operator that calls f for each chunk of in.
func elementwise(in *rlog, f func(v any, emit func(any)) (any, error)) promise {
	var out []any
	for _, v := range in.values {
		panicked, err := f(v, func(v any) { out = append(out, v) })
		switch {
		case panicked != nil:
			return panics(out, panicked)
		case err != nil && !errors.Is(err, stream.Skip):
			return failed(out, err)
		}
	}
	return passed(out, in.end)
}
