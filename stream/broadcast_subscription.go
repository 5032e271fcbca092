package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// A Subscription is a [Readable] of the chunks that are published to a [Broadcast]. It ends with
// the Broadcast, behind the chunks that it holds. It ends alone by Cancel, and by the policies
// [Disconnect] and [DisconnectAfter]. All methods may be called concurrently. Cancel a Subscription
// that is no longer pulled.
//
// The chunks are shared with the other subscribers: a subscriber may not change what they refer to.
type Subscription[T any] struct {
	q       *Queue[T]
	b       *Broadcast[T]
	policy  Policy
	keys    keys[T] // of Latest; else nil
	dropped atomic.Int64

	// at is the place in the Broadcast's list, negative when it is not there; guarded by the
	// Broadcast's mu.
	at int
	// ready is the number of the last Publish that has waited for the subscription; guarded by the
	// Broadcast's gate.
	ready uint64

	// For DisconnectAfter.
	began  time.Time
	pulled atomic.Int64  // when a chunk was last pulled, counted from began
	full   time.Duration // when it became full, counted from began; guarded by the Broadcast's gate
}

// Pull waits for the next chunk.
func (s *Subscription[T]) Pull(ctx context.Context) (T, error) {
	v, err := s.q.Pull(ctx)
	if s.policy.kind == disconnectAfter && err == nil {
		s.pulled.Store(int64(time.Since(s.began)))
	}
	return v, err
}

// Cancel leaves the Broadcast, and drops the chunks that are held. It returns nil.
func (s *Subscription[T]) Cancel(cause error) error {
	_ = s.q.Cancel(cause)
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.removeLocked(s)
	return nil
}

// Done returns a channel that is closed when the end is decided: no Pull waits any more.
func (s *Subscription[T]) Done() <-chan struct{} { return s.q.Done() }

// Dropped returns the number of chunks that the policy has dropped.
func (s *Subscription[T]) Dropped() int64 { return s.dropped.Load() }

// errLate ends the wait for a subscription whose time is up.
var errLate = errors.New("stream: the time of a subscriber is up")

// left returns how long Publish waits for the subscription while it is full. The Broadcast's gate
// must be held.
func (s *Subscription[T]) left() time.Duration {
	return s.policy.grace - (time.Since(s.began) - max(s.full, time.Duration(s.pulled.Load())))
}

// waitRoom waits until there is room, or the subscription is disconnected. The Broadcast's gate
// must be held.
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

// cutLocked fails the subscription and drops the chunks that it holds, unless there is room by now.
// It takes the queue's mu. Locked is the Broadcast's mu, as in the names below.
func (s *Subscription[T]) cutLocked() {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || q.roomLocked() {
		return
	}
	for q.held.n > 0 {
		s.dropLocked(q.popLocked())
	}
	q.endLocked(s.b.slow, s.b.slow)
	s.b.removeLocked(s)
}

// offerLocked gives v to the subscription, or does what its policy says. It reports false if the
// subscription has ended. It takes the queue's mu.
func (s *Subscription[T]) offerLocked(v T) bool {
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
		q.acceptLocked(v, size)
	case s.policy.kind == latest:
		s.conflateLocked(v, size)
	case q.size < q.mark() || s.policy.waits():
		// A policy that waits has waited for room. If that was a Pull, it may have left since.
		q.acceptLocked(v, size)
		if s.policy.kind == disconnectAfter && q.size >= q.mark() {
			s.full = time.Since(s.began)
		}
	case s.policy.kind == disconnect:
		q.endLocked(s.b.slow, s.b.slow)
		return false
	case s.policy.kind == dropNewest || q.mark() == 0:
		s.dropLocked(v)
	default:
		s.evictLocked()
		q.acceptLocked(v, size)
	}
	return true
}

// conflateLocked puts v in the place of the chunk with its key, if there is one. The queue's mu
// must be held, too, as for the next two.
func (s *Subscription[T]) conflateLocked(v T, size uint64) {
	q := s.q
	at, found := s.keys.find(&q.held, v)
	switch {
	case q.mark() == 0:
		s.dropLocked(v)
		return
	case found:
		old := q.held.at(at)
		s.dropLocked(old.v)
		q.size -= old.size
		*old = sized[T]{} // counts for nothing while room is made
	}
	for q.size >= q.mark() {
		if found && at == q.held.head { // the next one to drop: v comes last instead
			q.popLocked()
			found = false
			continue
		}
		s.dropLocked(q.popLocked())
	}
	if found {
		*q.held.at(at) = sized[T]{v, size}
		q.size += size
		return
	}
	s.keys.note(q.held.head + q.held.n)
	q.acceptLocked(v, size)
}

// evictLocked drops the oldest chunks until there is room.
func (s *Subscription[T]) evictLocked() {
	for s.q.size >= s.q.mark() {
		s.dropLocked(s.q.popLocked())
	}
}

// dropLocked notes that v was dropped.
func (s *Subscription[T]) dropLocked(v T) {
	s.dropped.Add(1)
	s.b.dropLocked(s, v)
}
