package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/wsstream/wsstream/stream"
)

// join makes a Join of two sides. What a side reads goes through a MapWriter, which may refuse a
// chunk, and a Queue.
func (b *builder) join(name string, s Step, in port, src stream.Readable[item], f function) {
	var other port
	if len(b.open) > 0 {
		other = b.take(s.Of[len(s.Of)-1])
	} else {
		other = b.probe(name+" empty", stream.From[item]())
		b.given(other.log, nil, &ending{err: io.EOF})
	}
	ctx, cancel := context.WithCancelCause(b.ctx)
	b.teardown = append(b.teardown, func() { cancel(errTeardown) })
	if s.Ctx > 0 {
		b.later(s.Ctx, func() { cancel(fmt.Errorf("the context of %s has ended", name)) })
	}
	law := &joined{w: b.world, name: name, ctx: ctx}
	side := func(n int, in *rlog) stream.Writable[item] {
		name := fmt.Sprintf("%s %c", name, 'a'+rune(n))
		q, queue := b.queue(name, s, f)
		outer := b.wlog(name + " map")
		outer.one = true
		call, calls := b.logged(f)
		dst := stream.MapWriter(wprobed(queue.in, stream.Writable[item](q)), call)
		b.mapWriter(name+" map", outer, queue.in, f.of, calls)
		out := b.probe(name, q)
		queue.out = out.log
		queue.law()
		b.open = append(b.open, out)
		law.ways[n] = way{in, outer}
		return wprobed(outer, dst)
	}
	left := stream.Duplex[item, item]{Readable: src, Writable: side(0, other.log)}
	right := stream.Duplex[item, item]{Readable: other.r, Writable: side(1, in.log)}
	b.add(law.law())
	b.spawn(func() {
		defer func() { law.returnedBy(recover()) }()
		law.err = stream.Join(ctx, left, right)
	})
}

// joined is the law of Join.
type joined struct {
	w        *world
	name     string
	ctx      context.Context
	ways     [2]way
	returned stamp
	err      error
	panicked any
}

// A way of a Join relays the chunks of src to dst.
type way struct {
	src *rlog
	dst *wlog
}

// over reports whether the source has ended or is cancelled.
func (w way) over() bool { return w.src.end != nil || w.src.cancelled() }

// lost returns the error with which the destination has ended, or refused a chunk.
func (w way) lost() error {
	for _, c := range slices.Concat(w.dst.writes, w.dst.readies) {
		if c.err != nil && !c.left {
			return c.err
		}
	}
	return nil
}

// failures returns the errors of this way. Join returns the first that either way has.
func (w way) failures() (all []error) {
	if e := w.src.end; e != nil && e.err != io.EOF {
		all = append(all, e.err)
	}
	all = append(all, w.lost())
	for _, e := range w.dst.ends {
		all = append(all, e.err)
	}
	return slices.DeleteFunc(all, func(err error) bool {
		return err == nil || err == io.EOF || errors.Is(err, errClosed)
	})
}

func (j *joined) law() law { return law{always: j.always, quiet: j.quiet, final: j.final} }

// always is the law that a way writes the chunks of its source in order, each once.
func (j *joined) always() {
	for _, w := range j.ways {
		var vs []any
		for _, c := range w.dst.writes {
			if n := len(vs); n == 0 || vs[n-1] != c.v { // TryWrite is another try
				vs = append(vs, c.v)
			}
		}
		if n := len(vs); n > len(w.src.values) || !slices.Equal(vs, w.src.values[:n]) {
			j.w.faultLocked("%s: writes %v of %v", j.name, vs, w.src.values)
		} else if n < len(w.src.values)-1 && w.lost() == nil && !isDone(w.dst.done) &&
			j.ctx.Err() == nil {
			j.w.faultLocked("%s: holds %v", j.name, w.src.values[n:])
		}
	}
}

func (j *joined) quiet() {
	if j.returned.set() {
		return
	}
	if j.ctx.Err() != nil {
		j.w.faultLocked("%s: goes on, and its context has ended", j.name)
	}
	for i, w := range j.ways {
		other := j.ways[1-i]
		switch {
		case w.over() && w.dst.busy():
		case w.over() && other.over() && !other.dst.busy():
			j.w.faultLocked("%s: waits, and both ways have ended", j.name)
		case !w.over() && w.src.waiting() == 0 && !w.dst.busy():
			j.w.faultLocked("%s: does not pull %s", j.name, w.src.name)
		case w.src.waiting() > 0 && isDone(w.dst.done) &&
			(isDone(other.dst.done) || other.over() && !other.dst.busy()):
			j.w.faultLocked("%s: pulls %s, whose chunks are not wanted", j.name, w.src.name)
		}
	}
}

func (j *joined) final() {
	if !j.returned.set() {
		j.w.faultLocked("%s: never returns", j.name)
	}
}

// returnedBy notes the return of Join, or its panic, and checks the ends.
func (j *joined) returnedBy(v any) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	j.panicked = v
	j.returned = j.w.stampLocked("%s: Join returns %.80v, panic %.60v", j.name, j.err, v)
	var errs []error
	for _, w := range j.ways {
		errs = append(errs, w.failures()...)
		j.ended(w)
	}
	ended := j.ctx.Err() != nil && j.err == context.Cause(j.ctx)
	switch {
	case v != nil || ended:
	case j.err == nil && len(errs) > 0 || j.err != nil && !slices.Contains(errs, j.err):
		j.w.faultLocked("%s: returns %v; the model says one of %v", j.name, j.err, errs)
	}
}

// ended is the law of the ends of a way, when Join returns.
func (j *joined) ended(w way) {
	cut := j.ctx.Err() != nil || j.panicked != nil
	if !w.over() && (w.src.end == nil || w.src.end.panicked == nil) {
		j.w.faultLocked("%s: leaves %s", j.name, w.src.name)
	}
	for _, c := range w.src.cancels {
		if !cut && c.cause != w.lost() {
			j.w.faultLocked("%s: cancels %s with %v; its Write failed with %v",
				j.name, w.src.name, c.cause, w.lost())
		}
	}
	switch n := len(w.dst.ends); {
	case n == 0 && !isDone(w.dst.done):
		j.w.faultLocked("%s: leaves %s open", j.name, w.dst.name)
	case cut || n == 0:
	case n != 1:
		j.w.faultLocked("%s: ends %s %d times", j.name, w.dst.name, n)
	default:
		j.passedOn(w, w.dst.ends[0])
	}
}

// passedOn is the law that e passes the end of the way on.
func (j *joined) passedOn(w way, e *endCall) {
	cause := w.lost()
	if cause == nil && w.src.end != nil && w.src.end.err != io.EOF {
		cause = w.src.end.err
	}
	verb := "Fail"
	if cause == nil || errors.Is(cause, errClosed) {
		verb, cause = "Close", nil
	}
	if e.verb != verb || e.cause != cause {
		j.w.faultLocked("%s: %s(%v) of %s; the model says %s(%v)",
			j.name, e.verb, e.cause, w.dst.name, verb, cause)
	}
}
