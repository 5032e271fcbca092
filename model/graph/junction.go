package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/wsstream/wsstream/stream"
)

var (
	errClosed   = stream.ErrClosed
	errTeardown = errors.New("the program is over")
	errPanicked = errors.New("a pipe has panicked")
)

// junction makes the steps with several inputs or outputs, and those that a pipe fills.
func (b *builder) junction(
	n int, name string, s Step, in port, src stream.Readable[item], f function,
) {
	switch s.Kind {
	case "tee":
		marks := []int{s.Mark, s.Wait % 4}
		x, y := stream.Tee(src, stream.Count(marks[0]), stream.Count(marks[1]))
		outs := []port{b.probe(name+" a", x), b.probe(name+" b", y)}
		b.tee(name, in.log, []*rlog{outs[0].log, outs[1].log}, marks)
		for i, out := range outs {
			b.open = append(b.open, b.retag(out, 200+10*n+i))
		}
	case "merge", "concat":
		srcs, logs := []stream.Readable[item]{src}, []*rlog{in.log}
		for _, of := range s.Of[1:] {
			if len(b.open) > 0 {
				p := b.take(of)
				srcs, logs = append(srcs, p.r), append(logs, p.log)
			}
		}
		if s.Kind == "merge" {
			out := b.probe(name, stream.Merge(srcs...))
			b.merge(name, logs, out.log)
			b.open = append(b.open, out)
			return
		}
		out := b.probe(name, stream.Concat(srcs...))
		b.concat(name, logs, out.log)
		b.open = append(b.open, out)
	case "broadcast":
		b.broadcast(n, name, s, in, src)
	case "feed":
		b.feed(name, s, in, src)
	case "gather":
		b.gather(name, s, src, f)
	case "join":
		b.join(name, s, in, src, f)
	case "copy":
		b.copied(name, s, in, src)
	default:
		b.queued(name, s, in, src, f)
	}
}

// retag marks the chunks of a branch, so that they differ from those of another.
func (b *builder) retag(in port, n int) port {
	out := b.probe(in.log.name+" tag", stream.Map(in.r, func(v item) (item, error) {
		return v.by(n), nil
	}))
	b.inline(out.log.name, []*rlog{in.log}, out.log, func() promise {
		return elementwise(in.log, func(v any, emit func(any)) (any, error) {
			emit(v.(item).by(n))
			return nil, nil
		})
	})
	return out
}

func (b *builder) concat(name string, ins []*rlog, out *rlog) {
	b.inline(name, ins, out, func() promise {
		var all []any
		for i, in := range ins {
			all = append(all, in.values...)
			switch {
			case in.end != nil && in.end.panicked == nil && in.end.err == io.EOF:
				continue
			case in.end != nil:
				p := passed(all, in.end)
				p.fail = &cause{err: in.end.err, any: in.end.panicked != nil}
				return p
			}
			for _, later := range ins[i+1:] {
				if len(later.pulls) > 0 {
					b.faultLocked("%s: pulls %s before the end of %s", name, later.name, in.name)
				}
			}
			return promise{out: all}
		}
		return promise{out: all, end: &ending{err: io.EOF}}
	})
}

// pipe starts a pipe from in to dst, and then calls after with what it returned.
func (b *builder) pipe(
	name string, s Step, in port, src stream.Readable[item], dst stream.Writable[item],
	log *wlog, after func(err error), lost func(n int) bool,
) {
	ctx, cancel := context.WithCancelCause(b.ctx)
	b.teardown = append(b.teardown, func() { cancel(errTeardown) })
	if s.Ctx > 0 {
		b.later(s.Ctx, func() { cancel(fmt.Errorf("the context of %s has ended", name)) })
	}
	p := &piped{w: b.world, name: name + " pipe", ctx: ctx, src: in.log, dst: log}
	p.bare, p.lost = s.Bare, lost
	p.o.PreventClose, p.o.PreventAbort, p.o.PreventCancel = s.Keep&1 > 0, s.Keep&2 > 0, s.Keep&4 > 0
	p.law()
	b.spawn(func() {
		p.run(func(o *stream.PipeOptions) error { return stream.Pipe(ctx, dst, src, o) })
		if p.o.PreventCancel {
			_ = src.Cancel(errTeardown)
		}
		if p.panicked != nil {
			p.err = errPanicked
		}
		after(p.err)
	})
}

// unwrapped returns an error that says what err does, and wraps none. A failure of the program's own
// must not look like io.EOF, which a Pipe may return beside the error of a Cancel.
func unwrapped(err error) error { return errors.New(err.Error()) }

// later calls f after some milliseconds, or not if the program is over by then.
func (b *builder) later(n int, f func()) {
	b.spawn(func() {
		if pause(b.ctx, time.Duration(n)*ms, nil) {
			f()
		}
	})
}

// queue makes a Queue with the mark and the sizes of s, and its law.
func (b *builder) queue(name string, s Step, f function) (*stream.Queue[item], *queued) {
	size := func(item) int { return 1 }
	if s.Sized {
		size = item.size
	}
	limit := stream.Strategy[item]{Mark: s.Mark}
	if s.Sized || s.Do == "negative" {
		limit.Size = func(v item) int {
			if s.Do == "negative" && v.N == f.at {
				return -1
			}
			return size(v)
		}
	}
	law := &queued{w: b.world, name: name, in: b.wlog(name + " in"), mark: s.Mark}
	law.size = func(v any) int {
		if limit.Size == nil {
			return 1
		}
		return limit.Size(v.(item))
	}
	return stream.NewQueueOf(limit), law
}

func (b *builder) queued(
	name string, s Step, in port, src stream.Readable[item], f function,
) {
	q, law := b.queue(name, s, f)
	var dst stream.Writable[item]
	var out port
	outer := law.in
	switch s.Kind {
	case "queue":
		out = b.probe(name, q)
		law.out = out.log
		dst = wprobed(law.in, stream.Writable[item](q))
	case "mapqueue":
		out = b.probe(name, q)
		law.out = out.log
		outer = b.wlog(name + " map")
		call, calls := b.logged(f)
		dst = wprobed(outer, stream.MapWriter(wprobed(law.in, stream.Writable[item](q)), call))
		b.mapWriter(name+" map", outer, law.in, f.of, calls)
	case "codec":
		q := stream.NewQueue[[]byte](stream.Count(s.Mark))
		law.size = func(any) int { return 1 }
		law.out = b.rlog(name + " bytes")
		outer = b.wlog(name + " encode")
		inner := wprobed(law.in, stream.Writable[[]byte](q))
		dst = wprobed(outer, stream.Encode(inner, codec))
		b.mapWriter(name+" encode", outer, law.in, func(v any) (any, any, error) {
			return line(v.(item)), nil, nil
		}, nil)
		out = b.decoded(name, s, law.out, probed(law.out, stream.Readable[[]byte](q)), f)
	}
	outer.one, outer.exact = true, true
	law.law()
	if s.Bare {
		dst = bareWritable[item]{dst}
		outer.bare()
	}
	b.pipe(name, s, in, src, dst, outer, func(err error) {
		switch { // what the options left to the program
		case err == nil && s.Keep&1 > 0, err == errPanicked && s.Keep&2 > 0:
			_ = dst.Close(b.ctx)
		case err != nil && s.Keep&2 > 0:
			_ = dst.Abort(unwrapped(err))
		}
	}, law.out.leftSince)
	b.open = append(b.open, out)
}

func (b *builder) broadcast(n int, name string, s Step, in port, src stream.Readable[item]) {
	law := &casting{
		w:      b.world,
		name:   name,
		in:     b.wlog(name + " in"),
		replay: s.Replay,
		slow:   fmt.Errorf("a subscriber of %s is slow", name),
		key:    func(v any) int { return v.(item).N % 2 },
	}
	law.in.one, law.in.exact = true, true
	law.cast = stream.NewBroadcast(&stream.BroadcastOptions[item]{
		Replay:    s.Replay,
		SlowError: law.slow,
		OnDrop:    func(handle *stream.Subscription[item], v item) { law.drop(handle, v) },
	})
	for i, of := range s.Subs {
		sub := &sub{
			name:   fmt.Sprintf("%s %d %s", name, i, of.Policy),
			of:     of,
			policy: of.Policy,
			mark:   of.Mark,
			size:   func(any) int { return 1 },
			grace:  time.Duration(of.Grace) * ms,
		}
		sub.limit.Mark = of.Mark
		if of.Sized {
			sub.limit.Size = item.size
			sub.size = func(v any) int { return v.(item).size() }
		}
		law.subs = append(law.subs, sub)
		late := &lateSub{come: make(chan struct{}), left: make(chan struct{})}
		out := b.probe(sub.name, late)
		sub.out = out.log
		if of.At == 0 {
			b.subscribe(law, sub, late)
		} else {
			b.later(of.At, func() { b.subscribe(law, sub, late) })
		}
		b.open = append(b.open, b.retag(out, 300+10*n+i))
	}
	law.law()
	end := func(err error) {
		b.mu.Lock()
		if law.end == nil {
			law.end = err
		}
		b.mu.Unlock()
		if err == io.EOF {
			_ = law.cast.Close(context.Background())
		} else {
			_ = law.cast.Abort(err)
		}
	}
	b.teardown = append(b.teardown, func() { end(errTeardown) })
	dst := wprobed(law.in, law.cast.Publisher())
	if s.Bare { // a Write waits, and not a Ready
		dst = bareWritable[item]{dst}
		law.in.bare()
	}
	b.pipe(name, s, in, src, dst, law.in, func(err error) {
		if err == nil {
			err = io.EOF
		}
		end(err)
	}, func(n int) bool {
		return slices.ContainsFunc(law.subs, func(s *sub) bool {
			return s.done.n > n || s.out.leftSince(n)
		})
	})
}

// subscribe adds a subscription, unless it has been cancelled before.
func (b *builder) subscribe(c *casting, s *sub, late *lateSub) {
	b.mu.Lock()
	s.count[1] = math.MaxInt
	s.narrow(len(c.in.taken), math.MaxInt, c.replay)
	s.began = b.stampLocked("%s: Subscribe", s.name)
	b.mu.Unlock()
	handle := subscribed(c.cast, s.limit, s.of, func(v item) int { return c.key(v) })
	b.mu.Lock()
	s.narrow(0, len(c.published()), c.replay)
	s.done = b.stampLocked("%s: subscribed", s.name)
	s.handle = handle
	b.mu.Unlock()
	late.set(handle)
}

// A lateSub is a Subscription that comes later. It is idle until then.
type lateSub struct {
	come, left chan struct{} // closed by set, and by Cancel
	mu         sync.Mutex
	handle     *stream.Subscription[item]
	once       sync.Once
	cause      error
}

func (l *lateSub) set(handle *stream.Subscription[item]) {
	l.mu.Lock()
	l.handle = handle
	left := isDone(l.left)
	close(l.come)
	l.mu.Unlock()
	if left {
		_ = handle.Cancel(l.cause)
	}
}

func (l *lateSub) Pull(ctx context.Context) (v item, err error) {
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	select {
	case <-l.come:
		return l.handle.Pull(ctx)
	case <-l.left:
		return v, io.EOF
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
}

func (l *lateSub) Cancel(cause error) error {
	l.mu.Lock()
	l.once.Do(func() {
		l.cause = cause
		close(l.left)
	})
	handle := l.handle
	l.mu.Unlock()
	if handle != nil {
		return handle.Cancel(cause)
	}
	return nil
}
