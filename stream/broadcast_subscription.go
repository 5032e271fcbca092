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
	// feeder moves the chunks after Feed, nil before; guarded by the Broadcast's mu.
	feeder *feeder[T]
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
	s.b.remove(s)
	s.kick()
	return nil
}

// kick makes the feed of the subscription, if there is one, look at its ends. The mu of the
// Broadcast must not be held.
func (s *Subscription[T]) kick() {
	s.b.mu.Lock()
	f := s.feeder
	s.b.mu.Unlock()
	if f != nil {
		f.kick()
	}
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
