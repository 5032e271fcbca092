package stream

import (
	"context"
	"sync"

	"github.com/wsstream/wsstream/internal/lasting"
)

// Feed moves the chunks of s to dst, as [Pipe] does, and returns immediately. It needs no goroutine
// while dst keeps up: each Publish gives its chunk to the TryWrite of dst. If dst has no room, the
// chunk goes to the subscription, and so do the chunks behind it. Its limit and its policy apply to
// them. A goroutine then moves them to dst, and ends when none is left.
//
//	sub := stream.Subscribe(room, stream.Count(256), stream.DropOldest())
//	fed := sub.Feed(conn.Context(), conn.Writable(), nil)
//
// The chunks keep their order. No chunk is lost but by the policy, and none is written twice.
//
// The table of Pipe says how Feed ends. So the end of the [Broadcast], or Cancel of s, closes dst
// behind its chunks, unless PreventClose. The [Future] has what Pipe would return, and the number
// of chunks that dst has accepted. A panic of dst's TryWrite reaches the caller of Publish.
//
// If dst ends while no chunk comes, the next chunk notices it. If ctx is the Context of a Conn, or
// the context of its Handler's request, the end of that Conn is noticed immediately.
//
// Feed keeps a goroutine to its end in two cases: dst is no [TryWriter], or Publish waits for s,
// and its limit is zero. A chunk that TryWrite accepts never is in the subscription: no Size and no
// key function is called for it. The methods of dst must not publish.
//
// Until the Future is settled, call no Pull of s. Feed panics if dst is nil, and while another Feed
// of s has not ended.
func (s *Subscription[T]) Feed(
	ctx context.Context, dst Writable[T], o *PipeOptions,
) *Future[int64] {
	if dst == nil {
		panic("stream: Feed of a nil stream")
	}
	future, settle := NewFuture[int64]()
	f := &feeder[T]{sub: s, p: pipe[T]{dst: dst, src: s}, ctx: ctx, settle: settle}
	if o != nil {
		f.p.o = *o
	}
	try, tries := dst.(TryWriter[T])
	if tries && (s.q.mark() > 0 || !s.policy.waits()) {
		f.try, f.p.rest = try, f.rest
	}
	s.b.addFeed(s, f)
	if f.try == nil || !f.rest() {
		go f.run() // ends when no chunk is left, or with the feed
	}
	// From here on the feed may end, and end stops this.
	stop := context.AfterFunc(ctx, f.kick)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop = stop; f.state == feedEnded {
		stop()
	}
	return future
}

// A feeder is what moves the chunks of a Subscription to a Writable. Its state says which goroutine
// does. A goroutine locks mu, then that of the Broadcast, then that of the queue.
type feeder[T any] struct {
	sub    *Subscription[T]
	ctx    context.Context
	settle func(int64, error) bool

	// What follows belongs to the goroutine that moves the chunks.
	p   pipe[T]
	try TryWriter[T] // the destination; nil if the goroutine never rests

	mu sync.Mutex
	// Guarded by mu.
	state  feedState
	kicked bool        // during a TryWrite something has ended
	stop   func() bool // ends the watch of ctx; nil until there is one
}

// A feedState says which goroutine moves the chunks of a feed.
type feedState uint8

const (
	feedRuns  feedState = iota // its own; the chunks go through the queue
	feedRests                  // none: the queue is empty
	feedTries                  // that of a Publish, which is in TryWrite; the queue is empty
	feedEnded                  // none any more
)

// give gives v to the destination, or else to the queue. The Broadcast's gate must be held.
func (f *feeder[T]) give(v T) {
	if !f.begin(v) {
		return
	}
	ok, err := f.tryWrite(v)
	if err != nil {
		ctx, stop := lasting.For(f.ctx)
		defer stop()
		f.end(ctx, f.p.dstFailed(ctx, err))
		return
	}
	f.tried(v, ok)
}

// begin lets the caller call TryWrite, and reports true, if the queue is empty. Else it puts v into
// the queue.
func (f *feeder[T]) begin(v T) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.state {
	case feedRuns, feedEnded: // with PreventCancel the subscription outlives the feed
		f.sub.offer(v)
	case feedRests:
		f.state = feedTries
		return true
	}
	return false
}

func (f *feeder[T]) tryWrite(v T) (ok bool, err error) {
	returned := false
	defer func() {
		if !returned { // it panicked, and the panic goes on
			f.end(f.ctx, outcome{err: errPanicked, abort: true, cancel: true})
		}
	}()
	if ok, err = f.try.TryWrite(v); ok && err == nil {
		f.p.accepted()
	}
	returned = true
	return ok, err
}

// tried notes whether TryWrite has accepted v. If it has not, v goes into the queue.
func (f *feeder[T]) tried(v T, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = feedRests
	if !ok {
		defer f.startLocked() // also if a Size or a key function panics
		f.sub.offer(v)
	} else if f.kicked {
		f.startLocked()
	}
}

// kick makes the feed look at its ends.
func (f *feeder[T]) kick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.state {
	case feedRests:
		f.startLocked()
	case feedTries:
		f.kicked = true
	}
}

// startLocked starts the feed's goroutine if there is something for it to do. The feed must rest.
func (f *feeder[T]) startLocked() {
	f.kicked = false
	if !f.mayRest() {
		f.state = feedRuns
		go f.run() // ends when no chunk is left, or with the feed
	}
}

// run moves chunks until none is left, or the feed ends.
func (f *feeder[T]) run() {
	ctx, stop := lasting.For(f.ctx)
	defer stop()
	if o := f.p.run(ctx); !o.rests {
		f.end(ctx, o)
	}
}

// rest lets the feed rest, and reports true, if its goroutine has nothing to do.
func (f *feeder[T]) rest() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.mayRest() {
		return false
	}
	f.state = feedRests
	return true
}

// mayRest reports whether no chunk is held, and nothing has ended.
func (f *feeder[T]) mayRest() bool {
	return f.ctx.Err() == nil && f.sub.q.isIdle() && !isDone(doneOf(f.p.dst))
}

// end ends the feed. The caller must be the goroutine that moves the chunks.
func (f *feeder[T]) end(ctx context.Context, o outcome) {
	err := f.p.shut(ctx, o)
	moved := f.p.moved
	f.mu.Lock()
	f.state = feedEnded
	f.p, f.try = pipe[T]{}, nil // the Broadcast may keep the feed until the next Publish
	if f.stop != nil {
		f.stop()
	}
	f.mu.Unlock()
	f.sub.b.removeFeed(f.sub)
	f.settle(moved, err)
}

// addFeed gives the chunks of s to f from now on.
func (b *Broadcast[T]) addFeed(s *Subscription[T], f *feeder[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.feeder != nil {
		panic("stream: a second Feed of a Subscription")
	}
	s.feeder = f
	b.fedStale = true
}

// removeFeed lets s be a Subscription from which calls pull, again.
func (b *Broadcast[T]) removeFeed(s *Subscription[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.feeder = nil
	b.fedStale = true
}

// fedLocked returns the feeds of the subscribers. The gate must be held.
func (b *Broadcast[T]) fedLocked() []*feeder[T] {
	if b.fedStale {
		b.fedStale = false
		n := len(b.fed)
		b.fed = b.fed[:0]
		for _, s := range b.subs {
			if s.feeder != nil {
				b.fed = append(b.fed, s.feeder)
			}
		}
		if len(b.fed) < n {
			clear(b.fed[len(b.fed):n])
		}
	}
	return b.fed
}

// offer puts v into the queue of a subscription that is fed, or does what its policy says. The gate
// and the mu of the feed must be held.
func (s *Subscription[T]) offer(v T) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if s.at >= 0 && !s.offerLocked(v) {
		s.b.removeLocked(s)
	}
}
