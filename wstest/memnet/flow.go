package memnet

import (
	"bytes"
	"sync"
	"time"
)

// A flow is one direction of a connection. Its fields and methods are guarded by the pair's mutex.
type flow struct {
	moved sync.Cond // broadcast when a parked Read or Write may be able to go on
	limit int       // immutable
	buf   bytes.Buffer

	writing bool // a Write is at work, the others wait for it
	fin     bool // the writing end was closed or half-closed
	gone    bool // the reading end was closed

	stalled bool
	chunk   int           // the most that one Read gets; 0: no bound
	fuse    int64         // bytes until the cut; -1: none is planned
	drops   int           // bytes that each tick lets through; 0: all pass at once
	every   time.Duration // between ticks
	tick    *time.Timer   // the next one, nil while none is due
	ready   int           // bytes of buf that were let through
}

func newFlow(mu *sync.Mutex, limit int) *flow {
	return &flow{moved: sync.Cond{L: mu}, limit: limit, fuse: -1}
}

// put buffers as much of p as there is room for, and as the fuse allows.
func (f *flow) put(p []byte) int {
	n := min(len(p), f.limit-f.buf.Len())
	if f.fuse >= 0 {
		n = int(min(int64(n), f.fuse))
		f.fuse -= int64(n)
	}
	if n == 0 {
		return 0
	}
	f.buf.Write(p[:n])
	if f.drops == 0 {
		f.ready += n
	}
	f.arm()
	f.moved.Broadcast()
	return n
}

// visible is how many bytes a Read can get now.
func (f *flow) visible() int {
	switch {
	case f.stalled:
		return 0
	case f.chunk > 0:
		return min(f.ready, f.chunk)
	}
	return f.ready
}

// take reads visible bytes into p.
func (f *flow) take(p []byte) int {
	n := copy(p, f.buf.Next(min(len(p), f.visible())))
	f.ready -= n
	f.moved.Broadcast()
	return n
}

// drop loses what is buffered and wakes everybody.
func (f *flow) drop() {
	f.buf.Reset()
	f.ready = 0
	f.disarm()
	f.moved.Broadcast()
}

// arm starts the timer of the next tick if there is something for it to let through: an idle flow has none.
func (f *flow) arm() {
	if f.tick != nil || f.drops == 0 || f.stalled || f.ready == f.buf.Len() {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(f.every, func() {
		f.moved.L.Lock()
		defer f.moved.L.Unlock()
		if f.tick != t {
			return // disarmed while it waited for the lock
		}
		f.tick = nil
		f.ready = min(f.ready+f.drops, f.buf.Len())
		f.moved.Broadcast()
		f.arm()
	})
	f.tick = t
}

func (f *flow) disarm() {
	if f.tick != nil {
		f.tick.Stop()
		f.tick = nil
	}
}

// A deadline is when calls on a flow begin to fail. It is guarded by the pair's mutex.
type deadline struct {
	flow *flow       // immutable
	at   time.Time   // zero: never
	wake *time.Timer // wakes those who are parked when at has come
}

func (d *deadline) set(t time.Time) {
	d.stop()
	d.at = time.Time{}
	if t.IsZero() {
		return
	}
	// The deadline is kept on the clock that the timer follows: were it compared with a wall clock that lags
	// behind, the timer would find it not passed, and nobody would come again.
	left := time.Until(t)
	d.at = time.Now().Add(left)
	if left <= 0 {
		d.flow.moved.Broadcast()
		return
	}
	d.wake = time.AfterFunc(left, func() {
		d.flow.moved.L.Lock() // else the wake could pass between a check and its wait
		defer d.flow.moved.L.Unlock()
		d.flow.moved.Broadcast()
	})
}

func (d *deadline) stop() {
	if d.wake != nil {
		d.wake.Stop()
		d.wake = nil
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
