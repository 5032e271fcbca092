package stream

import "time"

// A Policy says what becomes of a chunk for which a subscription has no room: Block, DropNewest,
// DropOldest, Disconnect, or what DisconnectAfter or Latest returns. There are no others.
type Policy[T any] func(*policy[T])

type policy[T any] struct {
	kind  policyKind
	grace time.Duration // of DisconnectAfter
	keys  keys[T]       // of Latest
}

// waits says that Publish waits for the subscription while it is full.
func (p *policy[T]) waits() bool { return p.kind == block || p.kind == disconnectAfter }

type policyKind uint8

const (
	block policyKind = iota
	dropNewest
	dropOldest
	latest
	disconnect
	disconnectAfter
)

// Block makes Publish wait until there is room: nothing is dropped, and a subscriber that does not pull holds back
// the publisher, and so all others.
func Block[T any](p *policy[T]) { p.kind = block }

// DropNewest drops the chunk that has just come: the subscriber sees the oldest chunks, then a gap.
func DropNewest[T any](p *policy[T]) { p.kind = dropNewest }

// DropOldest drops the oldest chunks that are held until there is room: the subscriber sees the newest.
func DropOldest[T any](p *policy[T]) { p.kind = dropOldest }

// Disconnect fails the subscription with the Broadcast's SlowError, behind what is held.
// DisconnectAfter gives it time.
func Disconnect[T any](p *policy[T]) { p.kind = disconnect }

// DisconnectAfter gives a subscriber that is full the time d to pull a chunk, and then cuts it: at
// the next Publish, or during one, the subscription fails with the Broadcast's SlowError, and what
// it holds is dropped. (Disconnect cuts a subscriber that is full for an instant, as each is in a
// burst.)
//
// Nothing is dropped within that time, and nothing more is held: Publish waits for room as with
// Block, but no longer than is left of d since the subscription became full or a chunk was last
// pulled from it. So a subscriber that has stopped costs the publisher d once, and several that
// stopped together cost it d once, too. One that pulls, however slowly, sets the publisher's pace:
// for a room that may wait for no subscriber there are Disconnect, DropOldest and Latest. With a
// Mark of zero, d counts from the Publish that finds no Pull waiting. With a d of zero or less
// there is no wait. It ends the subscription, not the connection that the chunks went to.
func DisconnectAfter[T any](d time.Duration) Policy[T] {
	return func(p *policy[T]) { p.kind, p.grace = disconnectAfter, d }
}

// Latest keeps the newest chunk of each key, and drops the one it had: the newest takes the place of the one dropped,
// so that a key which changes often does not wait longer for it. It does so at every chunk, whether there is room or
// not. If there is no room for one more key, the oldest chunks are dropped until there is. With a Mark of zero nothing
// is held, and the chunk is dropped.
//
// The key is called once for each chunk, with locks held: it must not call the Broadcast. A NaN is no other chunk's key.
// Latest panics if key is nil.
func Latest[T any, K comparable](key func(T) K) Policy[T] {
	mustFunc(key == nil, "Latest")
	return func(p *policy[T]) {
		p.kind = latest
		p.keys = &keysOf[T, K]{key: key, at: make(map[K]int)}
	}
}

// keys finds the place in a ring of the chunk with the same key.
type keys[T any] interface {
	// find returns where in r the chunk is whose key is that of v.
	find(r *ring[T], v T) (at int, found bool)
	// note says that the chunk of the last find is now at a place in the ring.
	note(at int)
}

type keysOf[T any, K comparable] struct {
	key  func(T) K
	at   map[K]int // places in the ring, which count from the start of time; those before its head are stale
	last K
}

func (k *keysOf[T, K]) find(r *ring[T], v T) (int, bool) {
	if len(k.at) > 2*r.n+16 {
		fresh := make(map[K]int, r.n)
		for key, at := range k.at { // no delete, which would not find a NaN
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
