package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// A Subscription delivers what is published to a Broadcast, to one subscriber. It is a Readable.
// Its end is that of the Broadcast, behind what it holds; or its own, by Cancel or the policies
// Disconnect and DisconnectAfter. All methods may be called at once. One that nobody pulls any more
// must be cancelled.
//
// Chunks are shared with the other subscribers: nobody may change what they refer to.
type Subscription[T any] struct {
	q       *Queue[T]
	b       *Broadcast[T]
	policy  Policy
	keys    keys[T] // of Latest; else nil
	dropped atomic.Int64

	at    int    // in the Broadcast's list, negative when it is not in it; guarded by the Broadcast's mu
	ready uint64 // the number of the last Publish that has waited for it; guarded by the Broadcast's gate

	// For DisconnectAfter, counted from began: when a chunk was last pulled, and when it became
	// full.
	began  time.Time
	pulled atomic.Int64
	full   time.Duration // guarded by the Broadcast's gate
}

// Pull waits for the next chunk.
func (s *Subscription[T]) Pull(ctx context.Context) (T, error) {
	v, err := s.q.Pull(ctx)
	if s.policy.kind == disconnectAfter && err == nil {
		s.pulled.Store(int64(time.Since(s.began)))
	}
	return v, err
}

// Cancel leaves the Broadcast and drops what is held. It returns nil.
func (s *Subscription[T]) Cancel(cause error) error {
	_ = s.q.Cancel(cause)
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.remove(s)
	return nil
}

// Done is closed when the end is decided: no Pull waits any more.
func (s *Subscription[T]) Done() <-chan struct{} { return s.q.Done() }

// Dropped is the number of chunks that the policy has dropped.
func (s *Subscription[T]) Dropped() int64 { return s.dropped.Load() }

// errLate ends the wait for a subscription whose time is up.
var errLate = errors.New("stream: the time of a subscriber is up")

// left is how long Publish waits for the subscription while it is full. It expects the Broadcast's
// gate to be held.
func (s *Subscription[T]) left() time.Duration {
	return s.policy.grace - (time.Since(s.began) - max(s.full, time.Duration(s.pulled.Load())))
}

// waitRoom waits until there is room, or the subscription was cut. It expects the Broadcast's gate
// to be held.
func (s *Subscription[T]) waitRoom(ctx context.Context) error {
	if s.policy.kind == block {
		return s.q.Ready(ctx)
	}
	for left := s.left(); left > 0; left = s.left() {
		err := s.readyWithin(ctx, left)
		if err == nil || ctx.Err() != nil || isDone(s.q.Done()) {
			return err
		}
	}
	s.b.cut(s)
	return nil
}

func (s *Subscription[T]) readyWithin(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, errLate)
	defer cancel()
	return s.q.Ready(ctx)
}

// cut fails the subscription and drops what it holds, unless there is room after all. It expects
// the Broadcast's mu to be held, and takes the queue's.
func (s *Subscription[T]) cut() {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || q.room() {
		return
	}
	for q.held.n > 0 {
		s.drop(q.pop())
	}
	q.end(s.b.slow, s.b.slow)
	s.b.remove(s)
}

// offer gives v to the subscription, or does what its policy says. It reports false if the subscription has ended. It
// expects the Broadcast's mu to be held, and takes the queue's.
func (s *Subscription[T]) offer(v T) bool {
	q := s.q
	size, err := q.strategy.of(v)
	if err != nil {
		q.fail(err)
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ended:
		return false
	case q.pullers.first != nil:
		q.accept(v, size)
	case s.policy.kind == latest:
		s.conflate(v, size)
	case q.size < q.mark() || s.policy.waits(): // whose room was waited for; the Pull may have left since
		q.accept(v, size)
		if s.policy.kind == disconnectAfter && q.size >= q.mark() {
			s.full = time.Since(s.began)
		}
	case s.policy.kind == disconnect:
		q.end(s.b.slow, s.b.slow)
		return false
	case s.policy.kind == dropNewest || q.mark() == 0:
		s.drop(v)
	default:
		s.evict()
		q.accept(v, size)
	}
	return true
}

// conflate lets v take the place of the chunk with its key, if there is one.
func (s *Subscription[T]) conflate(v T, size uint64) {
	q := s.q
	at, found := s.keys.find(&q.held, v)
	switch {
	case q.mark() == 0:
		s.drop(v)
		return
	case found:
		old := q.held.at(at)
		s.drop(old.v)
		q.size -= old.size
		*old = sized[T]{} // counts for nothing while room is made
	}
	for q.size >= q.mark() {
		if found && at == q.held.head { // it would be the next to go: it goes last instead
			q.pop()
			found = false
			continue
		}
		s.drop(q.pop())
	}
	if found {
		*q.held.at(at) = sized[T]{v, size}
		q.size += size
		return
	}
	s.keys.note(q.held.head + q.held.n)
	q.accept(v, size)
}

// evict drops the oldest until there is room.
func (s *Subscription[T]) evict() {
	for s.q.size >= s.q.mark() {
		s.drop(s.q.pop())
	}
}

func (s *Subscription[T]) drop(v T) {
	s.dropped.Add(1)
	s.b.drop(s, v)
}
