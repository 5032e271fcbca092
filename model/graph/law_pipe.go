package graph

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/wsstream/wsstream/stream"
)

// A piped is the law of one call of Pipe.
type piped struct {
	w    *world
	name string
	ctx  context.Context
	src  *rlog
	dst  *wlog
	o    stream.PipeOptions
	bare bool // src hides its capabilities
	// lost reports whether the destination may have lost the room that it had at the nth event.
	lost func(n int) bool

	moved    int64 // as Progress said
	returned stamp
	err      error
	panicked any
}

func (p *piped) law() { p.w.add(law{always: p.always, quiet: p.quiet, final: p.final}) }

// run runs the pipe, and checks its end.
func (p *piped) run(pipe func(o *stream.PipeOptions) error) {
	p.o.Progress = func(n int64) {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.moved++
		if n != p.moved || int(n) > p.accepted() {
			p.w.faultLocked("%s: progress %d of %d", p.name, n, p.moved)
		}
	}
	defer func() {
		v := recover()
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.panicked = v
		p.returned = p.w.stampLocked("%s: Pipe returns %.80v, panic %.60v", p.name, p.err, v)
		p.endedLocked()
	}()
	p.err = pipe(&p.o)
}

// accepted returns the number of Writes that returned nil.
func (p *piped) accepted() (n int) {
	for _, c := range p.dst.writes {
		if c.ended.set() && c.err == nil && c.panicked == nil {
			n++
		}
	}
	return n
}

// attempts returns the chunks that Pipe wrote. A TryWrite is another try of the last one.
func (p *piped) attempts() (vs []any) {
	for _, c := range p.dst.writes {
		if n := len(vs); n > 0 && vs[n-1] == c.v {
			continue
		}
		vs = append(vs, c.v)
	}
	return vs
}

func (p *piped) always() {
	vs := p.attempts()
	for i, v := range vs {
		if i >= len(p.src.values) || p.src.values[i] != v {
			p.w.faultLocked("%s: writes %v as number %d of %v", p.name, v, i, p.src.values)
			return
		}
	}
	if n := len(p.src.values) - len(vs); n > 1 {
		p.w.faultLocked("%s: holds %d chunks", p.name, n)
	}
}

func (p *piped) quiet() {
	if p.returned.set() {
		return
	}
	switch {
	case p.src.waiting() == 0 && !p.dst.busy():
		p.w.faultLocked("%s: waits for nothing", p.name)
	case p.ctx.Err() != nil:
		p.w.faultLocked("%s: goes on, and its context has ended", p.name)
	case p.dst.exact && p.dst.waiting() > 0 && (p.bare || !isDone(p.src.done)) &&
		!p.lost(p.dst.lastReady()):
		p.w.faultLocked("%s: holds a chunk, and the destination can tell its room", p.name)
	case isDone(p.dst.done) && p.src.waiting() > 0:
		p.w.faultLocked("%s: pulls, and the destination has ended", p.name)
	}
}

func (p *piped) final() {
	if !p.returned.set() {
		p.w.faultLocked("%s: Pipe never returns", p.name)
	}
}

// endedLocked is the table of Pipe.
func (p *piped) endedLocked() {
	ended := p.src.end
	ctxEnded := p.ctx.Err() != nil && errors.Is(p.err, context.Cause(p.ctx))
	last := p.lastErr()
	switch {
	case p.panicked != nil:
		p.wants("a panic", anyError, anyError, anyError)
	case ended != nil && ended.panicked == nil && ended.err == io.EOF && p.err == nil:
		p.wants("the end of the source", nil, nil, nil)
		if !p.o.PreventClose && len(p.dst.ends) == 0 && !isDone(p.dst.done) && last == nil {
			p.w.faultLocked("%s: does not close the destination", p.name)
		}
		if len(p.src.values) != p.accepted() {
			p.w.faultLocked("%s: succeeds with %d of %d chunks",
				p.name, p.accepted(), len(p.src.values))
		}
	case len(p.src.cancels) > 0 && p.err == nil && ended == nil: // cancelled from outside
	case p.err == nil:
		p.w.faultLocked("%s: returns nil, and the source has %v", p.name, ended)
	case ended != nil && errors.Is(p.err, ended.err) && ended.err != io.EOF:
		p.wants("a failure of the source", ended.err, nil, nil)
	case ctxEnded:
		p.wants("the end of the context", nil, p.err, context.Cause(p.ctx))
		if n := len(p.dst.writes); p.dst.tries && n > 0 && p.dst.writes[n-1].left {
			p.w.faultLocked("%s: does not try to write the chunk that it holds", p.name)
		}
	case last != nil && errors.Is(p.err, last):
		p.wants("a failure of the destination", nil, last, last)
	default:
		p.w.faultLocked("%s: returns %v; the source has %v, the destination %v",
			p.name, p.err, ended, last)
	}
}

// lastErr returns the error that the destination has ended with, as Pipe saw it.
func (p *piped) lastErr() error {
	for _, c := range slices.Backward(slices.Concat(p.dst.writes, p.dst.readies)) {
		if c.err != nil && !c.left {
			return c.err
		}
	}
	for _, e := range p.dst.ends {
		if e.verb == "Close" && e.err != nil {
			return e.err
		}
	}
	return nil
}

// sawEnd reports whether the source's last Pull returned io.EOF.
func (p *piped) sawEnd() bool {
	n := len(p.src.pulls)
	return n > 0 && p.src.pulls[n-1].err == io.EOF
}

// wants checks how Pipe has shut the ends: with fail, abort and cancel, which may be nil for none.
func (p *piped) wants(why string, fail, abort, cancel error) {
	is := func(want, got error) bool { return want == anyError || errors.Is(want, got) }
	for _, e := range p.dst.ends {
		var ok bool
		switch {
		case e.verb == "Close":
			ok = p.sawEnd() && !p.o.PreventClose
		case e.verb == "Fail", fail != nil && !p.dst.failer:
			ok = fail != nil && is(fail, e.cause) || why == "the end of the context"
		default:
			ok = abort != nil && is(abort, e.cause) || p.ctx.Err() != nil
		}
		if !ok && e.began.n < p.returned.n {
			p.w.faultLocked("%s: %s(%v) behind %s", p.name, e.verb, e.cause, why)
		}
		if p.o.PreventAbort && e.verb != "Close" && e.began.n < p.returned.n {
			p.w.faultLocked("%s: %s, and PreventAbort", p.name, e.verb)
		}
	}
	if fail != nil && fail != anyError && !p.o.PreventAbort && len(p.dst.ends) == 0 {
		p.w.faultLocked("%s: does not fail the destination", p.name)
	}
	if abort != nil && abort != anyError && !errors.Is(abort, stream.ErrClosed) &&
		!p.o.PreventAbort && len(p.dst.ends) == 0 && !isDone(p.dst.done) {
		p.w.faultLocked("%s: does not abort the destination", p.name)
	}
	own := slices.DeleteFunc(slices.Clone(p.src.cancels), func(c *call) bool {
		_, other := c.cause.(outside)
		return other && (cancel == nil || !is(cancel, c.cause)) || c.began.n > p.returned.n
	})
	if cancel != nil && !p.o.PreventCancel && len(own) == 0 && !p.sawEnd() &&
		(p.src.end == nil || p.src.end.panicked != nil) {
		p.w.faultLocked("%s: does not cancel the source", p.name)
	}
	for _, c := range own {
		switch {
		case p.o.PreventCancel:
			p.w.faultLocked("%s: cancels the source, and PreventCancel", p.name)
		case cancel == nil || !is(cancel, c.cause):
			p.w.faultLocked("%s: cancels the source with %v behind %s", p.name, c.cause, why)
		}
	}
}

// mapWriter is the law of MapWriter: dst gets the result of f for each chunk, once. The log of the
// calls of f is calls; nil if there is none. Without a call, a Write has failed because its context
// or dst had ended.
func (w *world) mapWriter(
	name string, in, dst *wlog, f func(any) (any, any, error), calls *callbacks,
) {
	w.add(law{
		quiet: func() {
			if calls != nil && calls.most > 1 {
				w.faultLocked("%s: calls its function concurrently", name)
			}
			at := 0
			for _, c := range in.writes {
				v, panicked, err := f(c.v)
				if c.dead || c.left && (at >= len(dst.writes) || dst.writes[at].v != v) {
					continue
				}
				if calls != nil && !calls.within(c) {
					if c.ended.set() && !dst.endedWith(c.err) {
						w.faultLocked("%s: Write(%v) returns %v, and does not call its function",
							name, c.v, c.err)
					}
					continue
				}
				switch {
				case panicked != nil:
					if !samePanic(panicked, c.panicked) {
						w.faultLocked("%s: Write(%v) does not panic", name, c.v)
					}
				case errors.Is(err, stream.Skip):
					if c.err != nil {
						w.faultLocked("%s: Write(%v) returns %v", name, c.v, c.err)
					}
				case err != nil:
					if c.err != err {
						w.faultLocked("%s: Write(%v) returns %v, not %v", name, c.v, c.err, err)
					}
				case at >= len(dst.writes) || dst.writes[at].v != v:
					if calls != nil || c.err == nil {
						w.faultLocked("%s: does not write %v", name, v)
					}
				default:
					if dst.writes[at].ended.set() && c.ended.set() && dst.writes[at].err != c.err {
						w.faultLocked("%s: Write returns %v, and dst's %v",
							name, c.err, dst.writes[at].err)
					}
					at++
				}
			}
			if at < len(dst.writes) {
				w.faultLocked("%s: writes %v, which nothing became", name, dst.writes[at].v)
			}
			for i, e := range in.ends {
				if !e.ended.set() || e.ctx != nil && e.ctx.Err() != nil {
					return
				}
				if i >= len(dst.ends) || dst.ends[i].cause != e.cause || dst.ends[i].err != e.err {
					w.faultLocked("%s: %s(%v) does not reach dst", name, e.verb, e.cause)
					return
				}
			}
		},
	})
}
