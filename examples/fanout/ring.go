package main

import (
	"sort"
	"sync"

	"github.com/wsstream/wsstream"
)

// An entry is a message in a ring, encoded for all subscribers.
type entry struct {
	seq     uint64
	key     string
	message wsstream.Message
	stale   bool // a newer message of the same key has replaced it; for the policy Latest only
}

// A ring has the newest messages of a topic. It has all messages of the stream from low to head.
// All methods may be called concurrently, but only one goroutine may append.
type ring struct {
	most, mostBytes int  // limits
	latest          bool // the policy is Latest

	mu sync.RWMutex
	// Guarded by mu.
	low, head  uint64
	entries    []entry // a circle
	first, n   int
	bytes      int
	byKey      map[string]uint64 // the newest entry of a key; nil unless latest
	total      int64             // entries that were appended so far, and restarts
	totalBytes int64
}

// newRing returns an empty ring. The first message that it gets is low, or a later one if the
// stream has no message low.
func newRing(most, mostBytes int, policy Policy, low uint64) *ring {
	r := &ring{most: most, mostBytes: mostBytes, latest: policy == Latest, low: low, head: low - 1,
		entries: make([]entry, most)}
	if r.latest {
		r.byKey = map[string]uint64{}
	}
	return r
}

// at returns the i-th entry, the oldest being the first. mu must be held.
func (r *ring) at(i int) *entry { return &r.entries[(r.first+i)%len(r.entries)] }

// find returns the index of the oldest entry with this number or a higher one. mu must be held.
func (r *ring) find(seq uint64) int {
	if seq > r.head {
		return r.n
	}
	// Without holes in the stream this is it.
	if i := r.n - 1 - int(min(r.head-seq, uint64(r.n))); i >= 0 && r.at(i).seq == seq {
		return i
	}
	return sort.Search(r.n, func(i int) bool { return r.at(i).seq >= seq })
}

// append adds the stream's next message. Between head and e the stream has no other message.
func (r *ring) append(e entry) {
	size := len(e.message.Data)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.seq <= r.head {
		return // delivered a second time
	}
	if e.seq > r.head+1 && !r.latest {
		// Messages are missing. The stream may have lost them while the broker was out of reach. A
		// subscriber that needs them must ask the stream.
		for r.n > 0 {
			r.evictLocked()
		}
		r.low = e.seq
	}
	for r.n > 0 && (r.n == r.most || r.bytes+size > r.mostBytes) {
		r.evictLocked()
	}
	if r.latest {
		if old, ok := r.byKey[e.key]; ok {
			r.at(r.find(old)).stale = true
		}
		r.byKey[e.key] = e.seq
	}
	r.n++
	*r.at(r.n - 1) = e
	r.bytes += size
	r.head = e.seq
	r.total++
	r.totalBytes += int64(size)
}

// restart empties the ring, because the stream is another one now. The next message is low, or a
// later one.
func (r *ring) restart(low uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.n > 0 {
		r.evictLocked()
	}
	r.low, r.head = low, low-1
	r.total++ // the live subscribers look at the ring
}

// evictLocked drops the oldest entry.
func (r *ring) evictLocked() {
	e := r.at(0)
	r.low = e.seq + 1
	r.bytes -= len(e.message.Data)
	if r.latest && r.byKey[e.key] == e.seq {
		delete(r.byKey, e.key)
	}
	*e = entry{}
	r.first = (r.first + 1) % len(r.entries)
	r.n--
}

// read appends to buf the messages from next on, as far as its capacity goes. It reports false if
// the ring no longer has message next: then the stream has it.
func (r *ring) read(next uint64, buf []entry) ([]entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if next < r.low {
		return buf, false
	}
	for i := r.find(next); i < r.n && len(buf) < cap(buf); i++ {
		buf = append(buf, *r.at(i))
	}
	return buf, true
}

// bounds returns the numbers of the oldest and the newest message.
func (r *ring) bounds() (low, head uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.low, r.head
}

// size returns how much the ring has now, and how much it got so far.
func (r *ring) size() (n, bytes int, total, totalBytes int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.n, r.bytes, r.total, r.totalBytes
}
