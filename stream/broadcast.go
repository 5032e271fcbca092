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

// BroadcastOptions configure a Broadcast. Nil is the zero value.
type BroadcastOptions[T any] struct {
	// Replay is how many of the last chunks a new subscriber gets first. They do not count against its mark. Zero or
	// less: none.
	Replay int

	// SlowError is what a subscription fails with that Disconnect or DisconnectAfter ends. Nil:
	// ErrSlow.
	SlowError error

	// OnDrop is called for each chunk that a policy has dropped, with the subscription it was
	// dropped for, on the goroutine of the Publish that dropped it, before that returns, or of a
	// Publisher's method. It must not publish.
	OnDrop func(*Subscription[T], T)
}

// A Broadcast gives each chunk that is published to all its subscribers, who come and go. A
// subscriber that is slow costs the others nothing, unless its policy is Block or DisconnectAfter.
// The memory it holds is the sum of its subscribers' marks, and Replay; the chunks are shared, and
// nobody may change what they refer to.
//
// A Broadcast is not a Writable, since Pipe would close it when the first of its publishers leaves: see Publisher.
// All methods may be called at once. It has no goroutine. Without subscribers, what is published is dropped.
type Broadcast[T any] struct {
	replay int
	slow   error
	onDrop func(*Subscription[T], T)

	ctx     context.Context // ends with it; its cause is the error of later Publishes
	stop    context.CancelCauseFunc
	gate    *gate.Gate         // of the Publish in progress
	seq     uint64             // the number of the Publish; guarded by gate, as the next
	full    []*Subscription[T] // those that it waits for
	blocked atomic.Int64       // the number of subscriptions that Publish may wait for
	dropped atomic.Int64

	mu    sync.Mutex
	subs  []*Subscription[T] // guarded by mu, as all below
	last  ring[T]            // what is replayed
	drops []drop[T]          // for onDrop; changed by the holder of gate alone
	ended bool
	end   error // io.EOF or what it was aborted with; valid once ended
}

// A drop is a chunk that was dropped, and for whom.
type drop[T any] struct {
	sub *Subscription[T]
	v   T
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

// Subscribe adds a subscriber to b. The subscription holds what limit allows; policy says what
// happens to a chunk for which there is no room. The subscriber gets the chunks that are replayed,
// and then all that are published from now on. After the end of b it gets the chunks that are
// replayed, unless b was aborted, and then the end. A negative size fails the subscription.
//
// It is a function because a method cannot take a [Count] or a [Strategy], nor a [Policy] or what
// [Latest] returns, and have the compiler check that they are for chunks of type T.
func Subscribe[T any, L Limit[T], P PolicyFor[T]](b *Broadcast[T], limit L, policy P) *Subscription[T] {
	sub := &Subscription[T]{q: NewQueueOf(strategyOf[T](limit)), b: b, at: -1, began: time.Now()}
	sub.policy, sub.keys = policyOf[T](policy)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.last.n {
		sub.q.held.push(b.last.at(b.last.head+i).v, 0)
	}
	if b.ended {
		b.endSub(sub)
		return sub
	}
	sub.at = len(b.subs)
	b.subs = append(b.subs, sub)
	if sub.policy.waits() {
		b.blocked.Add(1)
	}
	return sub
}

// Publish waits its turn, then until all subscribers have room that Block, or that DisconnectAfter
// gives time, and gives v to all. If ctx ends before that, it returns its cause and no subscriber
// got v. After Close it returns ErrClosed, after Abort the cause. If a Size or a key function
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

// tryPublish publishes v if that needs no waiting.
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

// ready waits its turn, then until Publish need not wait.
func (b *Broadcast[T]) ready(ctx context.Context) error {
	if !b.gate.Lock(ctx) {
		return b.orCause(ctx)
	}
	defer b.gate.Unlock()
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return b.waitRoom(ctx)
}

// give gives v to all. It expects the gate to be held.
func (b *Broadcast[T]) give(v T) error {
	var err error
	b.tellDrops(func() { err = b.offer(v) })
	return err
}

// cut cuts a subscription whose time is up. It expects the gate to be held.
func (b *Broadcast[T]) cut(s *Subscription[T]) { b.tellDrops(s.cut) }

// tellDrops calls f with mu held, and then OnDrop for what f has dropped. It expects the gate to be
// held.
func (b *Broadcast[T]) tellDrops(f func()) {
	for _, d := range b.dropsOf(f) {
		b.onDrop(d.sub, d.v)
	}
	clear(b.drops) // which no other call changes while this one holds the gate
}

func (b *Broadcast[T]) dropsOf(f func()) []drop[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drops = b.drops[:0]
	f()
	return b.drops
}

// offer gives v to all, whose drops are noted. It expects mu to be held.
func (b *Broadcast[T]) offer(v T) error {
	if b.ended {
		return b.writeEnd()
	}
	if b.replay > 0 {
		b.last.push(v, 0)
		if b.last.n > b.replay {
			b.last.pop()
		}
	}
	for i := 0; i < len(b.subs); {
		if s := b.subs[i]; s.offer(v) {
			i++
		} else {
			b.remove(s) // another is at i now
		}
	}
	return nil
}

// waitRoom waits until each subscription that Publish waits for has had room since this Publish
// began, or its time is up. It expects the gate to be held, so that no other Publish fills the
// room.
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

// findFull finds the subscriptions that this Publish must wait for, and reports whether there are any. It expects the
// gate to be held.
func (b *Broadcast[T]) findFull() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.full) // which lets go of those that have left
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

// Close waits its turn behind the Publishes that wait, and ends the Broadcast: subscribers get what they hold, then
// io.EOF. It does not wait until they have. If ctx ends first it returns its cause and has closed nothing. After the
// end it returns nil, or what the Broadcast was aborted with.
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

// Abort ends the Broadcast at once: what subscribers hold is dropped, and they fail with cause, as do Publishes that
// wait; ErrClosed if it is nil. It returns nil, and changes nothing after the end.
func (b *Broadcast[T]) Abort(cause error) error {
	b.finish(cmp.Or(cause, ErrClosed))
	return nil
}

// Done is closed when the Broadcast has ended.
func (b *Broadcast[T]) Done() <-chan struct{} { return b.ctx.Done() }

// Len is the number of subscribers.
func (b *Broadcast[T]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs)
}

// Dropped is the number of chunks that policies have dropped, over all subscribers that ever were.
func (b *Broadcast[T]) Dropped() int64 { return b.dropped.Load() }

func (b *Broadcast[T]) finish(end error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	b.ended, b.end = true, end
	if end != io.EOF {
		b.last.drop()
	}
	for _, s := range b.subs {
		s.at = -1
		b.endSub(s)
	}
	b.subs = nil
	b.stop(b.writeEnd())
}

// endSub gives a subscription the Broadcast's end.
func (b *Broadcast[T]) endSub(s *Subscription[T]) {
	if b.end == io.EOF {
		s.q.close()
	} else {
		_ = s.q.Abort(b.end)
	}
}

// remove expects mu to be held.
func (b *Broadcast[T]) remove(s *Subscription[T]) {
	if s.at < 0 {
		return
	}
	last := len(b.subs) - 1
	b.subs[s.at] = b.subs[last]
	b.subs[s.at].at = s.at
	b.subs[last] = nil
	b.subs = b.subs[:last]
	s.at = -1
	if s.policy.waits() {
		b.blocked.Add(-1)
	}
}

// drop expects mu to be held.
func (b *Broadcast[T]) drop(s *Subscription[T], v T) {
	b.dropped.Add(1)
	if b.onDrop != nil {
		b.drops = append(b.drops, drop[T]{s, v})
	}
}

// writeEnd is what Publish returns after the end.
func (b *Broadcast[T]) writeEnd() error {
	if b.end == io.EOF {
		return ErrClosed
	}
	return b.end
}

// orCause returns what Publish returns after the end; before it, the cause of ctx's.
func (b *Broadcast[T]) orCause(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return b.writeEnd()
	}
	return context.Cause(ctx)
}
