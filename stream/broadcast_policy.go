package stream

import (
	"errors"
	"time"
)

// A Policy says what a [Broadcast] does with a chunk for which a subscription has no room. [Latest]
// returns another kind of policy, a Keyed, which is for one type of chunks. The zero Policy is that
// of [Block].
type Policy struct {
	kind  policyKind
	grace time.Duration // of DisconnectAfter
}

// ErrSlow is the error of a subscription that [Disconnect] or [DisconnectAfter] ended, unless the
// [Broadcast] has a SlowError.
var ErrSlow = errors.New("stream: subscriber too slow")

// A PolicyFor is what [Subscribe] takes as the policy of a subscription to chunks of type T.
type PolicyFor[T any] interface {
	Policy | Keyed[T]
}

// Block makes Publish wait until there is room. No chunk is dropped. A subscriber that does not
// pull holds back the publisher, and so all other subscribers.
func Block() Policy { return Policy{kind: block} }

// DropNewest drops the new chunk: the subscriber sees the oldest chunks, then a gap.
func DropNewest() Policy { return Policy{kind: dropNewest} }

// DropOldest drops the oldest chunks that the subscription holds, until there is room: the
// subscriber sees the newest chunks.
func DropOldest() Policy { return Policy{kind: dropOldest} }

// Disconnect fails the subscription with the Broadcast's SlowError, behind the chunks that the
// subscription holds. [DisconnectAfter] gives the subscriber time.
func Disconnect() Policy { return Policy{kind: disconnect} }

// DisconnectAfter gives a subscriber whose subscription is full the time d to pull a chunk. After
// that, at the next Publish or during one, the subscription fails with the Broadcast's SlowError,
// and the chunks that it holds are dropped. ([Disconnect] disconnects a subscriber that is full
// only for an instant. In a burst, every subscriber is.)
//
// Within that time no chunk is dropped and no more is held: Publish waits for room as with [Block].
// The time d starts when the subscription becomes full, and again when a chunk is pulled from it.
// Publish waits only for the rest of d. So a subscriber that has stopped costs the publisher d
// once. Several subscribers that stopped together cost the publisher d once, too.
//
// A subscriber that pulls, however slowly, sets the publisher's pace. A broadcast that must not
// wait for a subscriber uses [Disconnect], [DropOldest] or [Latest]. If the limit is zero, d counts
// from the Publish that finds no Pull waiting. If d is zero or less, Publish does not wait.
//
// DisconnectAfter ends the subscription, not the connection that the chunks went to.
func DisconnectAfter(d time.Duration) Policy { return Policy{disconnectAfter, d} }

// A policyKind is which policy a Policy is.
type policyKind uint8

const (
	block policyKind = iota
	dropNewest
	dropOldest
	latest
	disconnect
	disconnectAfter
)

// waits reports whether Publish waits for a subscription that is full.
func (p Policy) waits() bool { return p.kind == block || p.kind == disconnectAfter }

// policyOf returns the parts of a policy.
func policyOf[T any, P PolicyFor[T]](policy P) (Policy, keys[T]) {
	if p, ok := any(policy).(Policy); ok {
		return p, nil
	}
	keyed := any(policy).(Keyed[T])
	mustFunc(keyed.keys == nil, "Subscribe: use Latest")
	return Policy{kind: latest}, keyed.keys()
}

// cutLocked fails the subscription and drops the chunks that it holds, unless there is room by now.
// The Broadcast's mu must be held. It takes the queue's mu.
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
// subscription has ended. The Broadcast's mu must be held. It takes the queue's mu.
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

// evictLocked drops the oldest chunks until there is room. The mu of the Broadcast and that of the
// queue must be held.
func (s *Subscription[T]) evictLocked() {
	for s.q.size >= s.q.mark() {
		s.dropLocked(s.q.popLocked())
	}
}
