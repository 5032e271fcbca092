package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/wsstream/wsstream/stream"
)

// feed is a Broadcast with one subscription that feeds a Queue.
func (b *builder) feed(name string, s Step, in port, src stream.Readable[item]) {
	of := Sub{Policy: "block", Mark: s.Mark}
	if len(s.Subs) > 0 {
		of = s.Subs[0]
	}
	law := &feeding{
		w:      b.world,
		name:   name,
		policy: of.Policy,
		mark:   of.Mark,
		in:     b.wlog(name + " in"),
		slow:   fmt.Errorf("the subscriber of %s is slow", name),
	}
	law.in.one, law.in.exact = true, true
	law.cast = stream.NewBroadcast(&stream.BroadcastOptions[item]{
		SlowError: law.slow,
		OnDrop:    func(_ *stream.Subscription[item], v item) { law.drop(v) },
	})
	law.sub = subscribed(law.cast, stream.Strategy[item]{Mark: of.Mark}, of,
		func(v item) int { return v.N % 2 })

	q, queue := b.queue(name+" queue", Step{Mark: s.Wait}, function{})
	out := b.probe(name, q)
	queue.out, queue.in.one, law.out = out.log, true, queue.in
	queue.law()
	law.o.PreventClose, law.o.PreventAbort = s.Keep&1 > 0, s.Keep&2 > 0
	law.o.PreventCancel = s.Keep&4 > 0
	law.law()
	b.open = append(b.open, out)

	var cancel context.CancelCauseFunc
	law.ctx, cancel = context.WithCancelCause(b.ctx)
	b.teardown = append(b.teardown, func() { cancel(errTeardown) }, func() { law.close(errTeardown) })
	if of.At > 0 {
		b.later(of.At, func() { cancel(fmt.Errorf("the context of %s has ended", name)) })
	}
	dst := wprobed(queue.in, stream.Writable[item](q))
	if s.Sized { // a Writable without TryWrite
		dst = bareWritable[item]{dst}
		queue.in.bare()
	}
	b.spawn(func() {
		moved, err := law.sub.Feed(law.ctx, dst, &law.o).Wait(context.Background())
		law.settle(moved, err)
		_ = law.sub.Cancel(errTeardown) // what the options left to the program
		switch {
		case err == nil && law.o.PreventClose:
			_ = dst.Close(b.ctx)
		case err != nil && law.o.PreventAbort:
			_ = dst.Abort(unwrapped(err))
		}
	})
	publisher := wprobed(law.in, law.cast.Publisher())
	if s.Bare { // a Write waits, and not a Ready
		publisher = bareWritable[item]{publisher}
		law.in.bare()
	}
	s.Keep = 0
	b.pipe(name, s, in, src, publisher, law.in, func(err error) {
		if err == nil {
			err = io.EOF
		}
		law.close(err)
	}, func(int) bool { return law.settled.set() })
}

// subscribed adds a subscription with the policy of a program.
func subscribed(
	cast *stream.Broadcast[item], limit stream.Strategy[item], of Sub, key func(item) int,
) *stream.Subscription[item] {
	if of.Policy == "latest" {
		return stream.Subscribe(cast, limit, stream.Latest(key))
	}
	return stream.Subscribe(cast, limit, map[string]stream.Policy{
		"block":      stream.Block(),
		"newest":     stream.DropNewest(),
		"oldest":     stream.DropOldest(),
		"disconnect": stream.Disconnect(),
		"after":      stream.DisconnectAfter(time.Duration(of.Grace) * ms),
	}[of.Policy])
}

// A feeding is the law of Feed: it moves what was published to its destination, as Pipe does.
type feeding struct {
	w      *world
	name   string
	policy string
	mark   int
	in     *wlog // of the publisher
	out    *wlog // of the destination
	cast   *stream.Broadcast[item]
	sub    *stream.Subscription[item]
	ctx    context.Context
	o      stream.PipeOptions
	slow   error
	drops  []any
	end    error // of the Broadcast; io.EOF for Close

	settled stamp
	moved   int64
	err     error
}

func (f *feeding) law() { f.w.add(law{always: f.always, quiet: f.quiet, final: f.final}) }

// drop notes that the policy has dropped v.
func (f *feeding) drop(v item) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.stampLocked("%s: drops %v", f.name, v)
	if f.policy == "block" || f.policy == "disconnect" {
		f.w.faultLocked("%s: policy %s drops %v", f.name, f.policy, v)
	}
	f.drops = append(f.drops, v)
}

// close ends the Broadcast, once.
func (f *feeding) close(err error) {
	f.w.mu.Lock()
	if f.end == nil {
		f.end = err
	}
	f.w.mu.Unlock()
	if err == io.EOF {
		_ = f.cast.Close(context.Background())
	} else {
		_ = f.cast.Abort(err)
	}
}

// published returns the chunks that have been published, or are being.
func (f *feeding) published() []any {
	vs := slices.Clone(f.in.taken)
	for _, c := range f.in.writes {
		if !c.ended.set() {
			vs = append(vs, c.v)
		}
	}
	return vs
}

// always is the law that chunks reach the destination once, and in order unless the policy is
// Latest, and none that was dropped.
func (f *feeding) always() {
	all, last := f.published(), -1
	for i, v := range f.out.taken {
		at := slices.Index(all, v)
		switch {
		case at < 0 || slices.Contains(f.out.taken[:i], v):
			f.w.faultLocked("%s: writes %v again, or it was not published", f.name, v)
		case at < last && f.policy != "latest":
			f.w.faultLocked("%s: writes %v too late", f.name, v)
		case slices.Contains(f.drops, v):
			f.w.faultLocked("%s: drops %v, and writes it", f.name, v)
		}
		last = max(last, at)
	}
}

// held returns the chunks that are neither dropped nor in the destination.
func (f *feeding) held() []any {
	return slices.DeleteFunc(slices.Clone(f.in.taken), func(v any) bool {
		return slices.Contains(f.out.taken, v) || slices.Contains(f.drops, v)
	})
}

func (f *feeding) quiet() {
	if n := f.sub.Dropped(); n != int64(len(f.drops)) {
		f.w.faultLocked("%s: says that it dropped %d; it told %d", f.name, n, len(f.drops))
	}
	if f.settled.set() {
		return
	}
	held := f.held()
	over := f.end != nil || isDone(f.sub.Done())
	switch {
	case f.ctx.Err() != nil:
		f.w.faultLocked("%s: goes on, and its context has ended", f.name)
	case f.out.busy() && over: // what was published behind the end of the subscription is not held
	case f.out.busy():
		n := len(held) - f.out.waiting() // the destination has one of the chunks
		if n > max(f.mark, 1) {
			f.w.faultLocked("%s: holds %v above its mark %d", f.name, held, f.mark)
		}
		if f.in.waiting() > 0 && n < f.mark {
			f.w.faultLocked("%s: Publish waits, and %d of %d are held", f.name, n, f.mark)
		}
	case over:
		f.w.faultLocked("%s: goes on behind the end", f.name)
	case len(held) > 0:
		f.w.faultLocked("%s: holds %v, and the destination has room", f.name, held)
	case f.in.waiting() > 0:
		f.w.faultLocked("%s: Publish waits for nothing", f.name)
	}
}

func (f *feeding) final() {
	if !f.settled.set() {
		f.w.faultLocked("%s: never ends", f.name)
	}
}

// settle notes how the feed has ended, and checks that against the table of Pipe.
func (f *feeding) settle(moved int64, err error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.moved, f.err = moved, err
	f.settled = f.w.stampLocked("%s: settles with %d, %v", f.name, moved, err)
	if int(moved) != len(f.out.taken) {
		f.w.faultLocked("%s: says that it moved %d of %d", f.name, moved, len(f.out.taken))
	}
	ended := len(f.out.ends) > 0 || isDone(f.out.done)
	last := (&piped{dst: f.out}).lastErr()
	switch {
	case err == nil:
		if held := f.held(); f.end != io.EOF || len(held) > 0 {
			f.w.faultLocked("%s: ends well with %v held, and the Broadcast has %v", f.name, held, f.end)
		}
		f.shut("the end of the Broadcast", ended, f.o.PreventClose)
	case err == f.end, err == f.slow && (f.policy == "disconnect" || f.policy == "after"):
		f.shut("a failure of the Broadcast", ended, f.o.PreventAbort)
	case f.ctx.Err() != nil && errors.Is(err, context.Cause(f.ctx)):
		f.shut("the end of the context", ended, f.o.PreventAbort)
		f.left("the end of the context")
	case last != nil && errors.Is(err, last):
		f.left("a failure of the destination")
	default:
		f.w.faultLocked("%s: ends with %v; the Broadcast has %v, the destination %v",
			f.name, err, f.end, last)
	}
}

// shut checks that the destination has ended, unless an option prevents that.
func (f *feeding) shut(why string, ended, prevented bool) {
	switch {
	case !ended && !prevented:
		f.w.faultLocked("%s: does not end the destination behind %s", f.name, why)
	case len(f.out.ends) > 0 && prevented:
		f.w.faultLocked("%s: %s behind %s, and an option prevents it", f.name, f.out.ends[0].verb, why)
	}
}

// left checks that the subscription has left the Broadcast, unless PreventCancel.
func (f *feeding) left(why string) {
	if over := isDone(f.sub.Done()); !over && !f.o.PreventCancel {
		f.w.faultLocked("%s: does not cancel the subscription behind %s", f.name, why)
	}
}
