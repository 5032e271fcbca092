package stream

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

// conflateLocked puts v in the place of the chunk with its key, if there is one. The mu of the
// Broadcast and that of the queue must be held.
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
