// Package poller watches the sockets of connections on which nothing happens. A socket that is
// watched costs an entry in a table of the kernel's: it needs no goroutine, no timer and no buffer.
//
// A few goroutines, the workers, call the handlers of the sockets that have become readable. One
// worker at a time leads: it waits for the kernel. The others wait for the leader, or are inside a
// handler. A worker takes the events that it has found one after another, and calls their handlers
// itself, because waking a goroutine costs more than most handlers. If several events wait, it
// wakes another worker for them. A handler may block: if no handler was called for a tick, and no
// worker leads, another worker is started, and takes what waits.
//
// The kernel reports an edge: that a socket has become readable, and not that it is. So a handler
// reads until there is nothing more, or arms the entry again. Arming reports a socket that is
// readable already.
//
// There is one poller for the process. It begins with the first entry, and ends with the last.
package poller

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A Handler is called for its entry.
type Handler interface {
	// Ready is called on a worker when there is something to read. It may block, and may be called
	// again meanwhile, by another worker. It may be called without a reason.
	Ready(Event)

	// Idle is called once after each call of Later, by a goroutine that calls many. It must not
	// block.
	Idle()
}

// An Event says what the kernel has reported of a socket.
type Event struct {
	Ended bool // the peer sends no more
	Lost  bool // the connection was reset, or both sides have ended
}

// An Entry is a place for one socket in the poller. The zero Entry is in none. Arm, Mute and Leave
// must not be called concurrently, and IsIn and Requeue not with Arm and Leave. An Entry must not be
// copied.
type Entry struct {
	p  *poller // nil before Arm and after Leave
	h  Handler
	fd int32

	muted bool // since the last Arm

	// Guarded by the mu of p.
	queued bool
	event  Event
}

const (
	// maxEvents is how many events a worker takes from the kernel together.
	maxEvents = 64

	// spread is how long the events that wait are expected to take one worker, for another to be
	// woken. Waking one costs several times as much as a short handler, and more where both are in
	// system calls: then Go's scheduler looks for more to do.
	spread = 200 * time.Microsecond

	// weight is the weight of what handlers took before in the mean, against that of the last one.
	weight = 7

	// tick is how long a handler may block before another worker takes over, half of it at least.
	tick = 5 * time.Millisecond

	// wary is for how many events after that a worker lets another lead before it calls a handler.
	wary = 256
)

// Arm makes h the handler of a socket, and lets the poller watch it. If the socket is readable
// already, that is reported soon. If Arm was called before, it arms the entry again. It reports
// false if the socket cannot be watched.
func (e *Entry) Arm(raw syscall.RawConn, h Handler) bool {
	e.muted = false
	if e.p != nil {
		return e.isOwner() && e.p.kernel.arm(e.fd) == nil
	}
	p := acquire()
	if p == nil {
		return false
	}
	e.p, e.h = p, h
	var failed error
	err := raw.Control(func(fd uintptr) {
		e.fd = int32(fd)
		if !p.entries.put(e.fd, e) {
			failed = errors.ErrUnsupported
		} else if failed = p.kernel.add(e.fd); failed != nil {
			p.entries.drop(e.fd, e)
		}
	})
	if err != nil || failed != nil {
		e.p = nil
		p.release()
		return false
	}
	return true
}

// Mute ends the reports of the kernel until Arm is called, except of a lost connection. A kqueue
// reports the end of the peer, too: once more, if it was before. If the entry is muted, Mute does
// nothing. So a handler that mutes its entry is not called again for the same end.
func (e *Entry) Mute() {
	if e.p != nil && !e.muted && e.isOwner() {
		e.muted = true
		_ = e.p.kernel.mute(e.fd)
	}
}

// IsIn reports whether the entry is in the poller.
func (e *Entry) IsIn() bool { return e.p != nil }

// isOwner reports whether the descriptor is still that of e. If the program has closed it, it may
// be another socket's by now.
func (e *Entry) isOwner() bool { return e.p.entries.get(e.fd) == e }

// Requeue calls the handler again, behind the handlers of the events that wait, those in the kernel
// included: of maxEvents at most. Its caller is the
// handler, on its worker, which goes on with the queue when the handler returns. It reports false
// if the entry is in no poller.
func (e *Entry) Requeue() bool {
	p := e.p
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queueLocked(&p.again, e)
	return true
}

// Leave takes the entry out of the poller. It must be called before the socket is closed, because
// the kernel uses its number again. Closing the socket ends the kernel's reports. A handler that
// was called before may still run.
func (e *Entry) Leave() {
	if p := e.p; p != nil {
		e.p = nil
		p.entries.drop(e.fd, e)
		p.release()
	}
}

// current is the poller of the process; nil if no entry is in one.
var current struct {
	sync.Mutex
	p       *poller
	entries int
}

// acquire returns the poller, with one entry more. It returns nil if the system has none.
func acquire() *poller {
	current.Lock()
	defer current.Unlock()
	if current.p == nil {
		k, err := newKernel()
		if err != nil {
			return nil
		}
		current.p = newPoller(k)
	}
	current.entries++
	return current.p
}

// release ends the poller with its last entry.
func (p *poller) release() {
	current.Lock()
	defer current.Unlock()
	if current.entries--; current.entries == 0 {
		current.p = nil
		p.close()
	}
}

// A poller has the entries, the events that wait, and the workers.
type poller struct {
	kernel  *kernel
	entries table
	timer   *time.Timer

	mu      sync.Mutex
	wake    sync.Cond // workers that wait for the leader
	ready   queue     // entries with an event
	again   queue     // entries that Requeue was called for
	leading bool      // a worker waits for the kernel
	workers int       // all of them
	resting int       // those that wait for the leader
	taken   uint64    // events whose handler was called
	seen    uint64    // taken, at the last tick
	ticking bool
	mean    time.Duration // that a handler takes
	wary    int           // so many events are left for which another worker must lead
	closed  bool
}

func newPoller(k *kernel) *poller {
	p := &poller{kernel: k}
	p.wake.L = &p.mu
	p.timer = time.AfterFunc(time.Hour, p.tick)
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.startLocked()
	return p
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.isOverLocked() {
		p.timer.Stop()
	}
	p.kernel.close() // the leader comes back
	p.wake.Broadcast()
}

// isOverLocked reports whether nothing more is to be done. What is queued when the last entry
// leaves is still called: Requeue has promised it.
func (p *poller) isOverLocked() bool { return p.closed && !p.isQueuedLocked() }

func (p *poller) isQueuedLocked() bool { return p.ready.len()+p.again.len() > 0 }

// startLocked starts a worker.
func (p *poller) startLocked() {
	p.workers++
	go p.work() // the poller's: it ends with the last entry, or if there are enough
}

// work is a worker.
func (p *poller) work() {
	inHandler, took := false, time.Duration(-1)
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.workers--
		if inHandler && !p.isOverLocked() { // the handler has ended the goroutine
			p.startLocked()
		}
	}()
	for {
		e, event := p.next(took)
		if e == nil {
			return
		}
		inHandler = true
		start := time.Now()
		e.h.Ready(event)
		took = time.Since(start)
		inHandler = false
	}
}

// next returns the next entry with an event, or nil if the worker is to end. took is how long the
// last handler took; negative for none.
func (p *poller) next(took time.Duration) (*Entry, Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took >= 0 {
		p.mean = (weight*p.mean + took) / (weight + 1)
	}
	for {
		p.refillLocked()
		if e := p.ready.pop(); e != nil {
			p.taken++
			if p.wary > 0 {
				p.wary--
				p.callLocked(!p.leading)
			} else if time.Duration(p.ready.len())*p.mean >= spread {
				p.callLocked(p.workers < runtime.GOMAXPROCS(0))
			}
			event := e.event
			e.event, e.queued = Event{}, false
			return e, event
		}
		switch {
		case p.closed:
			return nil, Event{}
		case !p.leading:
			p.leadRelocks()
		case p.resting >= runtime.GOMAXPROCS(0):
			return nil, Event{}
		default:
			p.resting++
			p.wake.Wait()
			p.resting--
		}
	}
}

// leadRelocks waits for events, and queues them.
func (p *poller) leadRelocks() {
	p.leading = true
	p.mu.Unlock()
	events, err := p.kernel.wait()
	p.mu.Lock()
	p.leading = false
	if err != nil {
		p.closed = true
		return
	}
	p.takeLocked(events)
}

// refillLocked moves the requeued entries to the ready ones once all of those were called, behind
// the events that wait in the kernel. Otherwise a few entries that are requeued each time would
// keep the workers from all others.
func (p *poller) refillLocked() {
	if p.ready.len() > 0 || p.again.len() == 0 {
		return
	}
	if !p.closed {
		p.takeLocked(p.kernel.now())
	}
	for e := p.again.pop(); e != nil; e = p.again.pop() {
		p.ready.push(e)
	}
}

// takeLocked queues events of the kernel.
func (p *poller) takeLocked(events []event) {
	for _, ev := range events {
		fd, event := decode(ev)
		e := p.entries.get(fd)
		if e == nil {
			continue // it has left
		}
		e.event.Ended = e.event.Ended || event.Ended
		e.event.Lost = e.event.Lost || event.Lost
		p.queueLocked(&p.ready, e)
	}
}

// queueLocked queues e for a call of its handler, in q.
func (p *poller) queueLocked(q *queue, e *Entry) {
	if !e.queued {
		e.queued = true
		q.push(e)
	}
	if !p.ticking {
		p.ticking = true
		p.timer.Reset(tick)
	}
}

// callLocked wakes a worker that rests. If none does, and start is set, it starts one.
func (p *poller) callLocked(start bool) {
	if p.resting > 0 {
		p.wake.Signal()
	} else if start {
		p.startLocked()
	}
}

// tick looks whether all workers are inside handlers.
func (p *poller) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	quiet := p.taken == p.seen
	p.seen = p.taken
	switch {
	case p.isOverLocked():
		return
	case quiet && p.leading && !p.isQueuedLocked():
		p.ticking = false
		return
	case quiet:
		p.wary = wary
		p.callLocked(true)
	}
	p.timer.Reset(tick)
}
