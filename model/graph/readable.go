package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/wsstream/wsstream/stream"
)

// A call is one call of a method that was logged.
type call struct {
	began, ended stamp
	ctx          context.Context
	dead         bool  // ctx had ended before the call
	v            any   // the chunk that was pulled or written
	cause        error // that the call was given
	err          error // that it returned
	panicked     any
	left         bool // the end of ctx ended it
}

// An ending is the end of a stream, as a call returned it.
type ending struct {
	err      error
	panicked any
	at       stamp
	told     bool // to a Pull whose context lasts: its caller knows that this is the end
}

func (e *ending) String() string {
	switch {
	case e == nil:
		return "no end"
	case e.panicked != nil:
		return fmt.Sprintf("panic(%.60v)", e.panicked)
	}
	return fmt.Sprintf("%.80v", e.err)
}

// An rlog is the log of one Readable, which is an edge of the graph. It also holds the law that
// every Readable obeys.
type rlog struct {
	w    *world
	name string

	pulls   []*call
	cancels []*call
	values  []any   // that were pulled, in the order of the log
	by      []*call // the pulls that returned them
	end     *ending // without a Cancel
	many    bool    // may be pulled concurrently
	again   bool    // its operator may pull the end of its source again
	done    <-chan struct{}
	onPull  []func()
}

func (w *world) rlog(name string) *rlog {
	r := &rlog{w: w, name: name}
	w.add(law{quiet: r.quietLocked, final: r.finalLocked})
	return r
}

// waiting returns the number of pulls in progress.
func (r *rlog) waiting() (n int) {
	for _, c := range r.pulls {
		if !c.ended.set() {
			n++
		}
	}
	return n
}

// pulled reports whether a pull with a live context has begun.
func (r *rlog) pulled() bool {
	return slices.ContainsFunc(r.pulls, func(c *call) bool { return !c.dead })
}

// cancelled reports whether a Cancel has returned.
func (r *rlog) cancelled() bool {
	return slices.ContainsFunc(r.cancels, func(c *call) bool { return c.ended.set() })
}

func (r *rlog) begin(ctx context.Context) *call {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	c := &call{ctx: ctx, dead: ctx.Err() != nil}
	dead := ""
	if c.dead {
		dead = " with an ended context"
	}
	c.began = r.w.stampLocked("%s: Pull%s", r.name, dead)
	for _, f := range r.onPull {
		if !c.dead {
			f()
		}
	}
	r.pulls = append(r.pulls, c)
	return c
}

// returned notes the end of a pull, and checks it.
func (r *rlog) returned(c *call, v any, err error, panicked any) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.alwaysLocked()
	c.v, c.err, c.panicked = v, err, panicked
	c.left = c.ctx.Err() != nil && err == context.Cause(c.ctx)
	switch {
	case panicked != nil:
		c.ended = w.stampLocked("%s: Pull panics: %.60v", r.name, panicked)
	case err != nil:
		c.ended = w.stampLocked("%s: Pull fails: %.80v", r.name, err)
	default:
		c.ended = w.stampLocked("%s: Pull returns %s", r.name, quoted(v))
	}
	switch {
	case c.dead && !c.left:
		w.faultLocked("%s: a Pull whose context had ended returns %v, %v", r.name, v, err)
	case c.left:
	case panicked == nil && err == nil:
		r.values, r.by = append(r.values, v), append(r.by, c)
		for _, k := range r.cancels {
			if k.ended.set() && k.ended.n < c.began.n {
				w.faultLocked("%s: a Pull behind Cancel returns %v", r.name, v)
			}
		}
		if r.end != nil && r.end.at.n < c.began.n {
			w.faultLocked("%s: a Pull behind the end returns %v", r.name, v)
		}
	case len(r.cancels) > 0 && err == io.EOF:
	case panicked == nil && err != io.EOF && errors.Is(err, io.EOF):
		w.faultLocked("%s: the end wraps io.EOF: %v", r.name, err)
	case r.end == nil:
		r.end = &ending{err: err, panicked: panicked, at: c.ended}
	case r.end.panicked != nil || r.many && panicked != nil:
		if panicked != nil && r.end.panicked != nil || err == io.EOF {
			w.faultLocked("%s: a Pull behind a panic returns %v, %v", r.name, panicked, err)
		}
	case panicked != nil || err != r.end.err:
		w.faultLocked("%s: first ended with %v, and later with %v, %v",
			r.name, r.end, panicked, err)
	}
	if r.end != nil && !c.left && (panicked != nil || err != nil) {
		r.end.told = r.end.told || c.ctx.Err() == nil || err == io.EOF
	}
}

// over reports whether the user of the Readable knows its end.
func (r *rlog) over() bool { return r.end != nil && r.end.told }

// missed reports whether the end of a context ended a Pull during which the source had the end e. An
// operator then asks its source for that end again.
func (r *rlog) missed(e *ending) bool {
	return e != nil && slices.ContainsFunc(r.pulls, func(c *call) bool {
		return c.left && c.began.n < e.at.n && c.ended.n > e.at.n
	})
}

// quietLocked is the law that no Pull waits for nothing, and that pulls are served in order.
func (r *rlog) quietLocked() {
	for _, c := range r.pulls {
		if c.ended.set() {
			continue
		}
		switch {
		case c.ctx.Err() != nil:
			r.w.faultLocked("%s: Pull %d waits, and its context has ended", r.name, c.began.n)
		case r.cancelled():
			r.w.faultLocked("%s: Pull %d waits behind Cancel", r.name, c.began.n)
		case r.end != nil:
			r.w.faultLocked("%s: Pull %d waits behind the end", r.name, c.began.n)
		}
		for _, by := range r.by {
			if c.began.epoch < by.began.epoch {
				r.w.faultLocked("%s: Pull %d was overtaken by Pull %d",
					r.name, c.began.n, by.began.n)
			}
		}
	}
	for _, c := range r.cancels {
		if !c.ended.set() {
			r.w.faultLocked("%s: Cancel %d waits", r.name, c.began.n)
		}
	}
}

func (r *rlog) finalLocked() {
	if n := r.waiting(); n > 0 {
		r.w.faultLocked("%s: %d Pulls never return", r.name, n)
	}
	if r.end == nil && len(r.cancels) == 0 {
		r.w.faultLocked("%s: neither ended nor cancelled", r.name)
	}
}

// A probe is a Readable that logs what is done to another. It passes on all capabilities but
// PullInto, which a probeInto passes on.
type probe[T any] struct {
	r   stream.Readable[T]
	log *rlog
}

// probed returns r with a log.
func probed[T any](log *rlog, r stream.Readable[T]) stream.Readable[T] {
	p := &probe[T]{r, log}
	log.done = doneOf(r)
	if into, ok := r.(stream.PullerInto[T]); ok {
		return &probeInto[T]{p, into}
	}
	return p
}

func (p *probe[T]) Pull(ctx context.Context) (v T, err error) {
	err = p.pull(ctx, &v, func() (err error) {
		v, err = p.r.Pull(ctx)
		return err
	})
	return v, err
}

func (p *probe[T]) pull(ctx context.Context, v *T, pull func() error) error {
	c := p.log.begin(ctx)
	returned := false
	defer func() {
		if !returned {
			value := recover()
			p.log.returned(c, nil, nil, value)
			panic(value)
		}
	}()
	err := pull()
	returned = true
	p.log.returned(c, logged(*v), err, nil)
	return err
}

func (p *probe[T]) Cancel(cause error) error {
	w := p.log.w
	w.mu.Lock()
	c := &call{cause: cause, began: w.stampLocked("%s: Cancel(%.60v)", p.log.name, cause)}
	p.log.cancels = append(p.log.cancels, c)
	w.mu.Unlock()
	err := p.r.Cancel(cause)
	w.mu.Lock()
	defer w.mu.Unlock()
	c.err, c.ended = err, w.stampLocked("%s: Cancel returns %v", p.log.name, err)
	return err
}

func (p *probe[T]) Done() <-chan struct{} { return doneOf(p.r) }

func doneOf(s any) <-chan struct{} {
	if d, ok := s.(stream.Notifier); ok {
		return d.Done()
	}
	return nil
}

type probeInto[T any] struct {
	*probe[T]
	into stream.PullerInto[T]
}

func (p *probeInto[T]) PullInto(ctx context.Context, v *T) error {
	return p.pull(ctx, v, func() error { return p.into.PullInto(ctx, v) })
}

// A bare Readable has no capabilities.
type bare[T any] struct{ stream.Readable[T] }

// logged returns v as the log keeps it. The memory of a chunk may be used again.
func logged(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(bytes.Clone(v))
	case []item:
		return slices.Clone(v)
	}
	return v
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}
