package memnet

import (
	"bytes"
	"sync"
	"time"
)

// A flow is one direction of a connection. The mutex of the pair guards its fields. It must be held
// for its methods.
type flow struct {
	moved sync.Cond // broadcast when a Read or Write that waits may go on
	limit int       // immutable
	buf   bytes.Buffer

	writing bool // a Write is in progress, and others wait for it
	fin     bool // the writing end was closed or half-closed
	gone    bool // the reading end was closed

	stalled bool
	chunk   int           // limits the bytes of one Read; 0: no limit
	fuse    int64         // bytes until the cut; -1: none is planned
	drops   int           // bytes that each tick lets through; 0: all pass
	every   time.Duration // between ticks
	tick    *time.Timer   // the next one, nil while none is due
	ready   int           // bytes of buf that a Read may get
}

func newFlow(mu *sync.Mutex, limit int) *flow {
	return &flow{moved: sync.Cond{L: mu}, limit: limit, fuse: -1}
}

// put buffers as much of p as there is room for, and as the fuse allows. It returns how much.
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

// visible returns how many bytes a Read can get now.
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

// drop drops the buffered bytes, and wakes all calls that wait.
func (f *flow) drop() {
	f.buf.Reset()
	f.ready = 0
	f.disarm()
	f.moved.Broadcast()
}

// arm starts the timer of the next tick, if there is a byte for it to let through. So an idle flow
// has no timer.
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

// A deadline is the time from which calls on a flow fail. The mutex of the pair guards it.
type deadline struct {
	flow *flow       // immutable
	at   time.Time   // zero: never
	wake *time.Timer // wakes the calls that wait when at has come
}

func (d *deadline) set(t time.Time) {
	d.stop()
	d.at = time.Time{}
	if t.IsZero() {
		return
	}
	// The deadline is kept on the clock of the timer. By a wall clock that lags behind, the timer
	// would find that the deadline has not passed, and the calls would wait for ever.
	left := time.Until(t)
	d.at = time.Now().Add(left)
	if left <= 0 {
		d.flow.moved.Broadcast()
		return
	}
	d.wake = time.AfterFunc(left, func() {
		d.flow.moved.L.Lock() // else it could come between a check and its wait
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
