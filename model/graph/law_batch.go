package graph

import (
	"io"
	"slices"
	"time"
)

// batches is the law of Batch and BatchNow.
type batches struct {
	w       *world
	name    string
	in, out *rlog
	limit   int
	size    func(any) int
	wait    time.Duration // of Batch
	now     bool          // BatchNow
}

func (b *batches) full(vs []any) bool {
	sum := 0
	for _, v := range vs {
		sum += b.size(v)
	}
	return sum >= max(b.limit, 0)
}

// held returns the chunks that were gathered and not delivered.
func (b *batches) held() []any { return b.in.values[b.delivered():] }

func (b *batches) delivered() (n int) {
	for _, v := range b.out.values {
		n += len(v.([]item))
	}
	return min(n, len(b.in.values))
}

// late reports whether the time of the batch that is gathered has passed.
func (b *batches) late() bool {
	from := b.delivered()
	return b.wait > 0 && from < len(b.in.by) &&
		time.Since(b.w.began) > b.in.by[from].ended.at+b.wait
}

func (b *batches) law() {
	b.in.onPull = append(b.in.onPull, func() {
		switch {
		case b.out.waiting() == 0:
			b.w.faultLocked("%s: pulls without demand", b.name)
		case b.in.over() && (b.wait == 0 || b.in.end.err == io.EOF):
			// A source that fails just when the batch is due is asked once more.
			b.w.faultLocked("%s: pulls behind the end", b.name)
		case len(b.held()) > 0 && b.full(b.held()) && b.out.waiting() == 1:
			b.w.faultLocked("%s: pulls, and the batch is full", b.name)
		case b.late():
			b.w.faultLocked("%s: pulls, and the batch is due", b.name)
		}
	})
	b.w.add(law{always: b.always, quiet: b.quiet})
}

func (b *batches) always() {
	from := 0
	for i, v := range b.out.values {
		batch := v.([]item)
		b.batch(i, from, len(batch))
		for _, v := range batch {
			if from >= len(b.in.values) || b.in.values[from] != any(v) {
				b.w.faultLocked("%s: delivers %v as chunk %d", b.name, v, from)
				return
			}
			from++
		}
	}
	p := passed(nil, b.in.end)
	if b.out.end == nil {
		return
	}
	if !endsAs(p.end, b.out.end, false) {
		b.w.faultLocked("%s: ends with %v; the model says %v", b.name, b.out.end, p.end)
	}
	if p.fail == nil && len(b.out.cancels) == 0 && len(b.held()) > 0 {
		b.w.faultLocked("%s: ends before %v", b.name, b.held())
	}
}

// batch checks the ith batch, of n chunks from number from on.
func (b *batches) batch(i, from, n int) {
	by := b.out.by[i]
	switch {
	case n == 0:
		b.w.faultLocked("%s: delivers an empty batch", b.name)
		return
	case from+n > len(b.in.values):
		return // reported by always
	}
	chunks := b.in.values[from : from+n]
	if n > 1 && b.full(chunks[:n-1]) {
		b.w.faultLocked("%s: batch %v exceeds the limit %d", b.name, chunks, b.limit)
	}
	if b.full(chunks) {
		return
	}
	ended := b.in.end != nil && b.in.end.at.n < by.ended.n && from+n == len(b.in.values)
	due := b.wait > 0 && by.ended.at >= b.in.by[from].ended.at+b.wait
	tried := b.now && slices.ContainsFunc(b.in.pulls, func(c *call) bool {
		return c.left && c.ended.n > b.in.by[from+n-1].ended.n && c.ended.n < by.ended.n
	})
	if !ended && !due && !tried {
		b.w.faultLocked("%s: batch %v is neither full nor due", b.name, chunks)
	}
}

func (b *batches) quiet() {
	if b.out.waiting() > 0 {
		switch {
		case b.in.waiting() == 0:
			b.w.faultLocked("%s: a Pull waits, and the source is not pulled", b.name)
		case len(b.held()) > 0 && (b.now || b.full(b.held()) || b.late()):
			b.w.faultLocked("%s: a Pull waits for %v", b.name, b.held())
		}
	} else if b.in.waiting() > 0 {
		b.w.faultLocked("%s: pulls, and no Pull waits", b.name)
	}
	p := passed(nil, b.in.end)
	b.w.inlineEndLocked(b.name, []*rlog{b.in}, b.out, p)
}

// throttle is the law of Throttle: the chunks in order, one grant of the limiter for each.
func (w *world) throttle(name string, in, out *rlog, l *limiter) {
	run := func() promise {
		if l.failed {
			vs := in.values[:min(l.granted, len(in.values))]
			if l.panics {
				return panics(vs, l.err)
			}
			return failed(vs, l.err)
		}
		p := passed(in.values, in.end)
		if p.fail != nil {
			p.out = p.out[:min(len(p.out), len(out.values)+out.waiting())]
		}
		return p
	}
	in.onPull = append(in.onPull, func() {
		if out.waiting() == 0 || len(in.values)-len(out.values) >= out.waiting() {
			w.faultLocked("%s: pulls without demand", name)
		}
	})
	w.delivers(out, run, func(p promise) {
		if l.granted != len(out.values) && len(out.cancels) == 0 {
			w.faultLocked("%s: delivers %d chunks for %d grants", name, len(out.values), l.granted)
		}
		switch {
		case out.waiting() > 0 && in.waiting() == 0 && l.waiting == 0:
			w.faultLocked("%s: a Pull waits for nothing", name)
		case out.waiting() > 0 && in.waiting() > 0 && len(in.values) > l.granted:
			w.faultLocked("%s: pulls, and holds a chunk", name)
		case out.waiting() == 0 && (in.waiting() > 0 || l.waiting > 0):
			w.faultLocked("%s: waits, and no Pull does", name)
		}
		w.inlineEndLocked(name, []*rlog{in}, out, p)
	})
}
