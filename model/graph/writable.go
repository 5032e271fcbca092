package graph

import (
	"context"
	"slices"

	"github.com/wsstream/wsstream/stream"
)

// A wlog is the log of one Writable, and the law that every Writable obeys.
type wlog struct {
	w    *world
	name string

	writes  []*call // of Write and TryWrite; err is nil and taken is set if accepted
	taken   []any   // chunks that were accepted, in the order of the log
	ends    []*endCall
	readies []*call
	exact   bool // Ready waits for the room that a Write needs
	failer  bool
	tries   bool // has TryWrite
	done    <-chan struct{}
	one     bool // one Write at a time reaches it
}

// An endCall is a Close, a Fail or an Abort.
type endCall struct {
	call
	verb string
}

func (w *world) wlog(name string) *wlog {
	l := &wlog{w: w, name: name}
	w.add(law{quiet: l.quietLocked, final: l.finalLocked})
	return l
}

// waiting returns the number of Writes in progress.
func (l *wlog) waiting() (n int) {
	for _, c := range l.writes {
		if !c.ended.set() {
			n++
		}
	}
	return n
}

// bare notes that the writer sees no capabilities.
func (l *wlog) bare() { l.exact, l.failer, l.tries, l.done = false, false, false, nil }

// busy reports whether any call is in progress.
func (l *wlog) busy() bool {
	open := func(c *call) bool { return !c.ended.set() }
	return slices.ContainsFunc(l.writes, open) || slices.ContainsFunc(l.readies, open) ||
		slices.ContainsFunc(l.ends, func(e *endCall) bool { return !e.ended.set() })
}

// lastReady returns the number of the event of the last call of Ready.
func (l *wlog) lastReady() (n int) {
	for _, c := range l.readies {
		n = max(n, c.began.n)
	}
	return n
}

// over reports whether a call has ended the Writable, as far as the log shows.
func (l *wlog) over() *endCall {
	for _, e := range l.ends {
		if e.ended.set() && (e.err == nil || e.verb == "Abort") {
			return e
		}
	}
	return nil
}

// endedWith reports whether the Writable has ended, and Ready has told err.
func (l *wlog) endedWith(err error) bool {
	if err == nil || !isDone(l.done) {
		return false
	}
	if len(l.readies) == 0 { // it has no Ready
		return err == errClosed
	}
	return slices.ContainsFunc(l.readies, func(c *call) bool { return c.ended.set() && c.err == err })
}

func (l *wlog) begin(ctx context.Context, verb string, v any) *call {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	c := &call{ctx: ctx, dead: ctx.Err() != nil, v: v}
	c.began = l.w.stampLocked("%s: %s(%s)", l.name, verb, quoted(v))
	if verb == "Ready" {
		l.readies = append(l.readies, c)
		return c
	}
	if l.one && l.waiting() > 0 {
		l.w.faultLocked("%s: written to concurrently", l.name)
	}
	l.writes = append(l.writes, c)
	return c
}

// returned notes the end of a Write, a TryWrite or a Ready.
func (l *wlog) returned(c *call, verb string, ok bool, err error, panicked any) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.alwaysLocked()
	c.err, c.panicked = err, panicked
	c.left = c.ctx.Err() != nil && err == context.Cause(c.ctx)
	c.ended = w.stampLocked("%s: %s returns %v, %.80v", l.name, verb, ok, err)
	if c.dead && !c.left {
		w.faultLocked("%s: a %s whose context had ended returns %v", l.name, verb, err)
	}
	if verb == "Ready" || !ok || panicked != nil {
		return
	}
	l.taken = append(l.taken, c.v)
	for _, e := range l.ends {
		if e == l.over() && e.ended.n < c.began.n {
			w.faultLocked("%s: a %s behind %s is accepted", l.name, verb, e.verb)
		}
	}
}

func (l *wlog) quietLocked() {
	check := func(verb string, c *call) {
		if !c.ended.set() && c.ctx != nil && c.ctx.Err() != nil {
			l.w.faultLocked("%s: %s %d waits, and its context has ended", l.name, verb, c.began.n)
		}
		if !c.ended.set() && l.over() != nil {
			l.w.faultLocked("%s: %s %d waits behind %s", l.name, verb, c.began.n, l.over().verb)
		}
	}
	for _, c := range l.writes {
		check("Write", c)
	}
	for _, c := range l.readies {
		check("Ready", c)
	}
	for _, e := range l.ends {
		check(e.verb, &e.call)
		if e.verb == "Abort" && !e.ended.set() {
			l.w.faultLocked("%s: Abort waits", l.name)
		}
	}
}

func (l *wlog) finalLocked() {
	if l.busy() {
		l.w.faultLocked("%s: a call never returns", l.name)
	}
}

// A wprobe is a Writable that logs what is done to another.
type wprobe[T any] struct {
	dst stream.Writable[T]
	log *wlog
}

// wprobed returns dst with a log, and with the capabilities of dst.
func wprobed[T any](log *wlog, dst stream.Writable[T]) stream.Writable[T] {
	p := &wprobe[T]{dst, log}
	try, tries := dst.(stream.TryWriter[T])
	fail, fails := dst.(stream.Failer)
	log.failer, log.tries, log.done = fails, tries, doneOf(dst)
	switch {
	case tries && fails:
		return struct {
			*wprobe[T]
			tryProbe[T]
			failProbe[T]
		}{p, tryProbe[T]{p, try}, failProbe[T]{p, fail}}
	case tries:
		return struct {
			*wprobe[T]
			tryProbe[T]
		}{p, tryProbe[T]{p, try}}
	case fails:
		return struct {
			*wprobe[T]
			failProbe[T]
		}{p, failProbe[T]{p, fail}}
	}
	return p
}

func (p *wprobe[T]) Write(ctx context.Context, v T) error {
	_, err := p.log.write(ctx, "Write", logged(v), func() (bool, error) {
		err := p.dst.Write(ctx, v)
		return err == nil, err
	})
	return err
}

// write notes a Write or a TryWrite that call makes.
func (l *wlog) write(
	ctx context.Context, verb string, v any, call func() (bool, error),
) (ok bool, err error) {
	c := l.begin(ctx, verb, v)
	returned := false
	defer func() {
		if !returned {
			value := recover()
			l.returned(c, verb, false, nil, value)
			panic(value)
		}
	}()
	ok, err = call()
	returned = true
	l.returned(c, verb, ok && err == nil, err, nil)
	return ok, err
}

func (p *wprobe[T]) Ready(ctx context.Context) error {
	r, ok := p.dst.(stream.Readier)
	if !ok {
		return nil
	}
	c := p.log.begin(ctx, "Ready", nil)
	err := r.Ready(ctx)
	p.log.returned(c, "Ready", false, err, nil)
	return err
}

// end logs a call that ends the stream.
func (p *wprobe[T]) end(ctx context.Context, verb string, cause error, end func() error) error {
	w := p.log.w
	w.mu.Lock()
	e := &endCall{call{ctx: ctx, cause: cause}, verb}
	e.began = w.stampLocked("%s: %s(%.60v)", p.log.name, verb, cause)
	p.log.ends = append(p.log.ends, e)
	w.mu.Unlock()
	err := end()
	w.mu.Lock()
	defer w.mu.Unlock()
	e.err, e.ended = err, w.stampLocked("%s: %s returns %.80v", p.log.name, verb, err)
	return err
}

func (p *wprobe[T]) Close(ctx context.Context) error {
	return p.end(ctx, "Close", nil, func() error { return p.dst.Close(ctx) })
}

func (p *wprobe[T]) Abort(cause error) error {
	return p.end(context.Background(), "Abort", cause, func() error { return p.dst.Abort(cause) })
}

func (p *wprobe[T]) Done() <-chan struct{} { return doneOf(p.dst) }

func (p *wprobe[T]) Borrows() bool {
	b, ok := p.dst.(stream.Borrower)
	return ok && b.Borrows()
}

type tryProbe[T any] struct {
	p   *wprobe[T]
	try stream.TryWriter[T]
}

func (t tryProbe[T]) TryWrite(v T) (bool, error) {
	return t.p.log.write(context.Background(), "TryWrite", logged(v), func() (bool, error) {
		return t.try.TryWrite(v)
	})
}

type failProbe[T any] struct {
	p    *wprobe[T]
	fail stream.Failer
}

func (f failProbe[T]) Fail(ctx context.Context, cause error) error {
	return f.p.end(ctx, "Fail", cause, func() error { return f.fail.Fail(ctx, cause) })
}

// A bareWritable has no capabilities.
type bareWritable[T any] struct{ stream.Writable[T] }
