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

// tellDrops calls f with mu held, and then OnDrop for the chunks that f has dropped. The gate must
// be held.
func (b *Broadcast[T]) tellDrops(f func()) {
	for _, d := range b.dropsOf(f) {
		b.onDrop(d.sub, d.v)
	}
	clear(b.drops) // no other call changes it while this one holds the gate
}

func (b *Broadcast[T]) dropsOf(f func()) []drop[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drops = b.drops[:0]
	f()
	return b.drops
}

// dropLocked notes a chunk that s has dropped.
func (b *Broadcast[T]) dropLocked(s *Subscription[T], v T) {
	b.dropped.Add(1)
	if b.onDrop != nil {
		b.drops = append(b.drops, drop[T]{s, v})
	}
}
