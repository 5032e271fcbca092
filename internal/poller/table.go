package poller

import (
	"sync"
	"sync/atomic"
)

// A table finds the entry of a descriptor. Descriptors are small numbers: the kernel takes the
// lowest that is free. So the table is an array in parts, which are made as they are needed.
type table struct {
	mu    sync.Mutex // guards the making of parts
	parts [1 << 12]atomic.Pointer[part]
}

// A part has the entries of descriptors that follow each other.
type part [1 << 10]atomic.Pointer[Entry]

// place returns the place of a descriptor, or nil if its part was not made. fd is at least 0.
func (t *table) place(fd int32) *atomic.Pointer[Entry] {
	n := int(fd) / len(part{})
	if n >= len(t.parts) {
		return nil
	}
	if p := t.parts[n].Load(); p != nil {
		return &p[int(fd)%len(p)]
	}
	return nil
}

// put enters e. An entry that is there belongs to a socket that was closed before it left.
func (t *table) put(fd int32, e *Entry) bool {
	at := t.place(fd)
	if at == nil {
		t.make(fd)
		at = t.place(fd)
	}
	if at != nil {
		at.Store(e)
	}
	return at != nil
}

func (t *table) make(fd int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := int(fd) / len(part{})
	if n < len(t.parts) && t.parts[n].Load() == nil {
		t.parts[n].Store(new(part))
	}
}

// drop takes e out, unless another has its place.
func (t *table) drop(fd int32, e *Entry) {
	if at := t.place(fd); at != nil {
		at.CompareAndSwap(e, nil)
	}
}

// get returns the entry of a descriptor, nil if there is none.
func (t *table) get(fd int32) *Entry {
	if at := t.place(fd); at != nil {
		return at.Load()
	}
	return nil
}
