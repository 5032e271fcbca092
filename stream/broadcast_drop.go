package stream

// A drop is a chunk that was dropped, and the subscription that lost it.
type drop[T any] struct {
	sub *Subscription[T]
	v   T
}

// dropLocked notes that v was dropped. The mu of the Broadcast must be held.
func (s *Subscription[T]) dropLocked(v T) {
	s.dropped.Add(1)
	s.b.dropLocked(s, v)
}

// tellDrops calls f, and then OnDrop for the chunks that f has dropped. The gate must be held, so
// no other call changes the list of them.
func (b *Broadcast[T]) tellDrops(f func()) {
	b.drops = b.drops[:0]
	f()
	for _, d := range b.drops {
		b.onDrop(d.sub, d.v)
	}
	clear(b.drops)
}

// dropLocked notes a chunk that s has dropped.
func (b *Broadcast[T]) dropLocked(s *Subscription[T], v T) {
	b.dropped.Add(1)
	if b.onDrop != nil {
		b.drops = append(b.drops, drop[T]{s, v})
	}
}
