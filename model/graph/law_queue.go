package graph

import (
	"fmt"
	"io"
	"slices"

	"github.com/wsstream/wsstream/stream"
)

// queued is the law of a Queue: it delivers what it accepted, in order, and holds what its mark
// allows. A chunk of a negative size ends it.
type queued struct {
	w    *world
	name string
	in   *wlog
	out  *rlog
	mark int
	size func(any) int
	many bool // of several writers: the log does not tell the order of Writes that overlap
}

func (q *queued) law() { q.w.add(law{always: q.always, quiet: q.quiet}) }

// accepted returns the chunks that the Queue may have accepted.
func (q *queued) accepted() []any {
	vs := slices.Clone(q.in.taken)
	for _, c := range q.in.writes {
		if !c.ended.set() && q.size(c.v) >= 0 {
			vs = append(vs, c.v)
		}
	}
	return vs
}

// held returns the chunks that were accepted and not delivered.
func (q *queued) held() []any {
	if !q.many {
		return q.in.taken[min(len(q.out.values), len(q.in.taken)):]
	}
	return slices.DeleteFunc(slices.Clone(q.in.taken), func(v any) bool {
		return slices.Contains(q.out.values, v)
	})
}

// rejected returns the error of a Write whose chunk has a negative size, or nil.
func (q *queued) rejected(over bool) error {
	for _, c := range q.in.writes {
		if n := q.size(c.v); n < 0 && !c.dead && (c.ended.set() || !over) {
			return fmt.Errorf("stream: size function returned %d", n)
		}
	}
	return nil
}

// deliveredLocked is rlog's law of the chunks, for one writer or several.
func (q *queued) deliveredLocked(want []any, quiet bool) {
	if !q.many {
		q.out.deliveredLocked(want, quiet)
		return
	}
	for i, v := range q.out.values {
		if !slices.Contains(want, v) || slices.Index(q.out.values, v) < i {
			q.w.faultLocked("%s: delivers %v again, or no Write gave it", q.name, v)
			return
		}
		for _, later := range q.out.values[:i] {
			if !q.out.many && q.before(v, later) {
				q.w.faultLocked("%s: delivers %v before %v, whose Write came first",
					q.name, later, v)
			}
		}
	}
}

// before reports whether the Write of a came before that of b for certain: it had ended, or waited
// at a quiescent point, before that of b began.
func (q *queued) before(a, b any) bool {
	x, y := q.writeOf(a), q.writeOf(b)
	return x != nil && y != nil &&
		(x.ended.set() && x.ended.n < y.began.n || x.began.epoch < y.began.epoch)
}

// writeOf returns the last Write of v, which may have accepted it.
func (q *queued) writeOf(v any) *call {
	for _, c := range slices.Backward(q.in.writes) {
		if c.v == v {
			return c
		}
	}
	return nil
}

// room reports whether a chunk fits beside held.
func (q *queued) room(held []any) bool {
	sum := 0
	for _, v := range held {
		sum += q.size(v)
	}
	return sum < max(q.mark, 0)
}

func (q *queued) always() {
	q.deliveredLocked(q.accepted(), false)
	held := q.held()
	held = held[min(q.out.waiting(), len(held)):] // those before are on their way to a Pull
	if !q.many && len(held) > 0 && !q.room(held[:len(held)-1]) && len(q.out.cancels) == 0 {
		q.w.faultLocked("%s: holds %v above its mark %d", q.name, held, q.mark)
	}
	q.ends()
}

// ends checks the errors of both sides.
func (q *queued) ends() {
	read, write := []error{}, []error{}
	for _, e := range q.in.ends {
		switch {
		case e.verb == "Close":
			read, write = append(read, io.EOF), append(write, stream.ErrClosed)
		case e.cause == nil:
			read, write = append(read, stream.ErrClosed), append(write, stream.ErrClosed)
		default:
			read, write = append(read, e.cause), append(write, e.cause)
		}
	}
	for _, c := range q.out.cancels {
		if c.cause == nil {
			write = append(write, stream.ErrClosed)
		} else {
			write = append(write, c.cause)
		}
	}
	if err := q.rejected(false); err != nil {
		read, write = append(read, err), append(write, err)
	}
	is := func(all []error, err error) bool {
		return slices.ContainsFunc(all, func(e error) bool { return same(e, err) })
	}
	for _, c := range slices.Concat(q.in.writes, q.in.readies) {
		if c.ended.set() && c.err == nil && c.v != nil && q.size(c.v) < 0 && !c.dead {
			q.w.faultLocked("%s: takes %v, whose size is negative", q.name, c.v)
		}
		if c.err != nil && !c.left && q.overtaken(c) {
			q.w.faultLocked("%s: Close overtakes Write %d", q.name, c.began.n)
		}
		if c.err != nil && !c.left && !is(write, c.err) {
			q.w.faultLocked("%s: a Write fails with %v; the model says one of %v",
				q.name, c.err, write)
		}
	}
	if end := q.out.end; end != nil {
		if !is(read, end.err) {
			q.w.faultLocked("%s: ends with %v; the model says one of %v", q.name, end, read)
		}
		aborted := slices.ContainsFunc(q.in.ends, func(e *endCall) bool { return e.verb == "Abort" })
		if n := len(q.in.taken) - len(q.out.values); n > q.out.waiting() && !aborted &&
			len(q.out.cancels) == 0 {
			q.w.faultLocked("%s: ends before %d of its chunks", q.name, n)
		}
	}
}

func (q *queued) quiet() {
	q.deliveredLocked(q.in.taken, true)
	held := q.held()
	over := q.in.over() != nil || q.out.cancelled() || q.rejected(true) != nil
	writing := q.in.waiting() > 0 ||
		slices.ContainsFunc(q.in.readies, func(c *call) bool { return !c.ended.set() })
	switch {
	case over && writing:
		q.w.faultLocked("%s: a Write waits behind the end", q.name)
	case over && q.out.waiting() > 0:
		q.w.faultLocked("%s: a Pull waits behind the end", q.name)
	case over:
	case len(held) > 0 && !q.room(held[:len(held)-1]) && !q.many:
		q.w.faultLocked("%s: holds %v above its mark %d", q.name, held, q.mark)
	case writing && (q.room(held) || q.out.waiting() > 0):
		q.w.faultLocked("%s: a Write waits, and there is room", q.name)
	case q.many && q.over(held):
		q.w.faultLocked("%s: holds %v above its mark %d", q.name, held, q.mark)
	case q.out.waiting() > 0 && len(held) > 0:
		q.w.faultLocked("%s: a Pull waits for %v", q.name, held)
	case !writing && slices.ContainsFunc(q.in.ends, func(e *endCall) bool { return !e.ended.set() }):
		q.w.faultLocked("%s: an end waits for no Write", q.name)
	}
}

// over reports whether held is too much, whichever of its chunks came last.
func (q *queued) over(held []any) bool {
	for i := range held {
		if q.room(slices.Delete(slices.Clone(held), i, i+1)) {
			return false
		}
	}
	return len(held) > 0
}

// overtaken reports whether only a Close has ended the Queue, and c waited before that began.
func (q *queued) overtaken(c *call) bool {
	return q.rejected(false) == nil && len(q.out.cancels) == 0 &&
		!slices.ContainsFunc(q.in.ends, func(e *endCall) bool {
			return e.verb != "Close" || c.began.epoch >= e.began.epoch
		})
}
