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

// Keyed is the policy that [Latest] returns.
type Keyed[T any] struct {
	keys func() keys[T] // makes those of one subscription
}

// Latest keeps the newest chunk of each key. A new chunk takes the place of the held chunk with the
// same key, which is dropped, whether there is room or not. So a key that changes often does not
// wait longer for its place. If there is no room for one more key, the oldest chunks are dropped
// until there is. If the limit is zero, nothing is held, and the new chunk is dropped.
//
// The function key is called once for each chunk, with locks held: it must not call the Broadcast.
// A NaN equals no other chunk's key. Latest panics if key is nil.
func Latest[T any, K comparable](key func(T) K) Keyed[T] {
	mustFunc(key == nil, "Latest")
	return Keyed[T]{func() keys[T] { return &keysOf[T, K]{key: key, at: make(map[K]int)} }}
}

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

// keys finds the chunk with the same key in a ring.
type keys[T any] interface {
	// find returns where in r the chunk with the key of v is.
	find(r *ring[T], v T) (at int, found bool)
	// note says where in the ring the chunk of the last find is now.
	note(at int)
}

type keysOf[T any, K comparable] struct {
	key  func(T) K
	at   map[K]int // places in the ring, counted from its start; those before its head are stale
	last K
}

func (k *keysOf[T, K]) find(r *ring[T], v T) (int, bool) {
	if len(k.at) > 2*r.n+16 {
		fresh := make(map[K]int, r.n)
		for key, at := range k.at { // delete would not find a NaN
			if at >= r.head {
				fresh[key] = at
			}
		}
		k.at = fresh
	}
	k.last = k.key(v)
	at, found := k.at[k.last]
	return at, found && at >= r.head
}

func (k *keysOf[T, K]) note(at int) { k.at[k.last] = at }
