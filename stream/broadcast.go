package stream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/internal/gate"
)

// BroadcastOptions configure a [Broadcast]. A nil *BroadcastOptions is the zero value.
type BroadcastOptions[T any] struct {
	// Replay is how many of the last chunks a new subscriber gets first. They do not count against
	// its limit. If zero or negative, none.
	Replay int

	// SlowError is the error of a subscription that [Disconnect] or [DisconnectAfter] ended. If
	// nil, [ErrSlow].
	SlowError error

	// OnDrop is called for each chunk that a policy has dropped, and with the subscription that
	// lost it. It runs on the goroutine of the Publish, or of the [Broadcast.Publisher]'s method,
	// that dropped the chunk, before that returns. It must not publish. If nil, none.
	OnDrop func(*Subscription[T], T)
}

// A Broadcast gives each chunk that is published to all its subscribers. [Subscribe] adds one, and
// Cancel of its [Subscription] removes it. A slow subscriber costs the others nothing, unless its
// policy is [Block] or [DisconnectAfter].
//
// A Broadcast holds the sum of its subscribers' limits, and Replay. The chunks are shared: neither
// the publisher nor a subscriber may change what they refer to. Without subscribers, a chunk that
// is published is dropped.
//
// A Broadcast is not a [Writable], because [Pipe] would close it when the first of its publishers
// leaves: see [Broadcast.Publisher]. All methods may be called concurrently. It has no goroutine.
type Broadcast[T any] struct {
	replay int
	slow   error
	onDrop func(*Subscription[T], T)

	ctx     context.Context // ends with the Broadcast; its cause is the error of later Publishes
	stop    context.CancelCauseFunc
	blocked atomic.Int64 // the number of subscriptions that Publish may wait for
	dropped atomic.Int64

	gate *gate.Gate // of the Publish in progress
	// Guarded by gate.
	seq  uint64             // the number of that Publish
	full []*Subscription[T] // the subscriptions that it waits for
	fed  []*feeder[T]       // the feeds of the subscribers; out of date if fedStale is true

	mu sync.Mutex
	// Guarded by mu.
	subs     []*Subscription[T]
	fedStale bool
	last     ring[T]   // the chunks that are replayed
	drops    []drop[T] // for onDrop; only the holder of gate changes it
	ended    bool
	end      error // io.EOF or the cause of Abort; valid once ended
}

// NewBroadcast returns a Broadcast without subscribers.
func NewBroadcast[T any](o *BroadcastOptions[T]) *Broadcast[T] {
	if o == nil {
		o = &BroadcastOptions[T]{}
	}
	b := &Broadcast[T]{
		replay: o.Replay,
		slow:   cmp.Or(o.SlowError, ErrSlow),
		onDrop: o.OnDrop,
	}
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	b.gate = gate.New(b.ctx.Done())
	return b
}

// Subscribe adds a subscriber to b. The subscription holds what limit allows, and policy says what
// happens to a chunk for which there is no room. The subscriber gets the chunks that are replayed,
// and then all that are published from now on. After the end of b it gets the chunks that are
// replayed, unless b was aborted, and then the end. A negative size fails the subscription.
//
// Subscribe is a function because methods have no type parameters. With those the compiler checks
// that limit and policy are for chunks of type T.
func Subscribe[T any, L Limit[T], P PolicyFor[T]](
	b *Broadcast[T], limit L, policy P,
) *Subscription[T] {
	sub := &Subscription[T]{q: NewQueueOf(strategyOf[T](limit)), b: b, at: -1, began: time.Now()}
	sub.policy, sub.keys = policyOf[T](policy)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.last.n {
		sub.q.held.push(b.last.at(b.last.head+i).v, 0)
	}
	if b.ended {
		b.endSubLocked(sub)
		return sub
	}
	sub.at = len(b.subs)
	b.subs = append(b.subs, sub)
	if sub.policy.waits() {
		b.blocked.Add(1)
	}
	return sub
}

// Publish gives v to all subscribers. It waits its turn. Then it waits for the subscribers whose
// policy is [Block], or [DisconnectAfter] with time left, until all of them have room. If ctx ends
// before that, Publish returns its cause, and no subscriber has got v.
//
// After Close it returns [ErrClosed], and after Abort the cause. If a Size or a key function
// panics, the panic reaches the caller, and some subscribers have got v.
func (b *Broadcast[T]) Publish(ctx context.Context, v T) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !b.gate.Lock(ctx) {
		return b.orCause(ctx)
	}
	defer b.gate.Unlock()
	if b.blocked.Load() > 0 {
		if err := b.waitRoom(ctx); err != nil {
			return err
		}
	}
	return b.give(v)
}

// tryPublish publishes v, if that needs no waiting.
func (b *Broadcast[T]) tryPublish(v T) (bool, error) {
	if !b.gate.TryLock() {
		return false, context.Cause(b.ctx)
	}
	defer b.gate.Unlock()
	b.seq++
	if b.findFull() {
		for _, s := range b.full {
			if s.policy.kind == block || s.left() > 0 {
				return false, nil
			}
			b.cut(s)
		}
	}
	err := b.give(v)
	return err == nil, err
}

// ready waits its turn, and then until Publish need not wait.
func (b *Broadcast[T]) ready(ctx context.Context) error {
	if !b.gate.Lock(ctx) {
		return b.orCause(ctx)
	}
	defer b.gate.Unlock()
	if b.ctx.Err() == nil {
		if err := b.waitRoom(ctx); err != nil {
			return err
		}
	}
	return context.Cause(b.ctx) // of an end that came before, or ended the wait
}

// give gives v to all. The gate must be held.
func (b *Broadcast[T]) give(v T) error {
	var err error
	b.tellDrops(func() {
		for _, f := range b.offer(v, &err) {
			f.give(v)
		}
	})
	return err
}

// cut disconnects a subscription whose time is up. The gate must be held.
func (b *Broadcast[T]) cut(s *Subscription[T]) {
	b.tellDrops(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		s.cutLocked()
	})
}

// offer gives v to all subscribers that pull, and returns the feeds of the others. The gate must be
// held.
func (b *Broadcast[T]) offer(v T, err *error) []*feeder[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		*err = b.writeEndLocked()
		return nil
	}
	fed := b.fedLocked()
	b.keepLocked(v)
	if len(fed) < len(b.subs) {
		b.offerLocked(v)
	}
	return fed
}

// keepLocked keeps v for the subscribers to come.
func (b *Broadcast[T]) keepLocked(v T) {
	if b.replay > 0 {
		b.last.push(v, 0)
		if b.last.n > b.replay {
			b.last.pop()
		}
	}
}

// offerLocked gives v to all that pull, and notes the chunks that this drops.
func (b *Broadcast[T]) offerLocked(v T) {
	for i := 0; i < len(b.subs); {
		if s := b.subs[i]; s.feeder != nil || s.offerLocked(v) {
			i++
		} else {
			b.removeLocked(s) // puts another one at i
		}
	}
}

// waitRoom waits for each subscription that Publish waits for, until that has had room since this
// Publish began, or its time is up. The gate must be held, so that no other Publish fills the room.
func (b *Broadcast[T]) waitRoom(ctx context.Context) error {
	b.seq++
	for b.findFull() {
		for _, s := range b.full {
			if err := s.waitRoom(ctx); err != nil && ofCtx(ctx, err) && !isDone(s.q.Done()) {
				clear(b.full)
				return context.Cause(ctx)
			}
			s.ready = b.seq
		}
	}
	return nil
}

// findFull finds the subscriptions that this Publish must wait for, and reports whether there are
// any. The gate must be held.
func (b *Broadcast[T]) findFull() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.full) // does not keep subscriptions that have left
	b.full = b.full[:0]
	for _, s := range b.subs {
		if s.policy.waits() && s.ready != b.seq && !s.q.hasRoom() {
			b.full = append(b.full, s)
			if s.q.mark() == 0 {
				s.full = time.Since(s.began)
			}
		}
	}
	return len(b.full) > 0
}

// Close waits its turn behind the Publishes that wait, and ends the Broadcast. Subscribers get the
// chunks that they hold, then io.EOF. Close does not wait until they have. If ctx ends first, Close
// returns its cause, and has closed nothing. After the end it returns nil, or the cause of Abort.
func (b *Broadcast[T]) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if b.gate.Lock(ctx) {
		defer b.gate.Unlock()
		b.finish(io.EOF)
	}
	if err := b.orCause(ctx); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// Abort ends the Broadcast immediately. The chunks that subscribers hold are dropped. Subscribers
// and the Publishes that wait fail with cause, or with [ErrClosed] if cause is nil. Abort returns
// nil. After the end it changes nothing.
func (b *Broadcast[T]) Abort(cause error) error {
	b.finish(cmp.Or(cause, ErrClosed))
	return nil
}

// Done returns a channel that is closed when the Broadcast has ended.
func (b *Broadcast[T]) Done() <-chan struct{} { return b.ctx.Done() }

// Len returns the number of subscribers.
func (b *Broadcast[T]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs)
}

// Dropped returns the number of chunks that policies have dropped. It counts all subscribers
// together, also those that have left.
func (b *Broadcast[T]) Dropped() int64 { return b.dropped.Load() }

func (b *Broadcast[T]) finish(end error) {
	for _, s := range b.endAll(end) {
		s.kick()
	}
}

// endAll ends b and its subscriptions. It returns those that had not ended.
func (b *Broadcast[T]) endAll(end error) (subs []*Subscription[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil
	}
	b.ended, b.end = true, end
	if end != io.EOF {
		b.last.drop()
	}
	for _, s := range b.subs {
		s.at = -1
		b.endSubLocked(s)
	}
	subs, b.subs, b.fedStale = b.subs, nil, true
	b.stop(b.writeEndLocked())
	return subs
}

// endSubLocked gives a subscription the Broadcast's end.
func (b *Broadcast[T]) endSubLocked(s *Subscription[T]) {
	if b.end == io.EOF {
		s.q.close()
	} else {
		_ = s.q.Abort(b.end)
	}
}

func (b *Broadcast[T]) remove(s *Subscription[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removeLocked(s)
}

// removeLocked removes a subscription from the list.
func (b *Broadcast[T]) removeLocked(s *Subscription[T]) {
	if s.at < 0 {
		return
	}
	last := len(b.subs) - 1
	b.subs[s.at] = b.subs[last]
	b.subs[s.at].at = s.at
	b.subs[last] = nil
	b.subs = b.subs[:last]
	s.at = -1
	b.fedStale = b.fedStale || s.feeder != nil
	if s.policy.waits() {
		b.blocked.Add(-1)
	}
}

// writeEndLocked returns what Publish returns after the end.
func (b *Broadcast[T]) writeEndLocked() error {
	if b.end == io.EOF {
		return ErrClosed
	}
	return b.end
}

// orCause returns what Publish returns after the end, and the cause of ctx before it.
func (b *Broadcast[T]) orCause(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return b.writeEndLocked()
	}
	return context.Cause(ctx)
}
