package wire

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// senders are the goroutines that send what TryWrite has gathered, for all Conns of the process.
//
// A room calls TryWrite for one Conn after the other. A system call for each of them would take all
// the time of that one goroutine. So TryWrite queues the Conn, and the senders take one Conn after
// the other. What is written to a Conn meanwhile leaves with the same system call. The more there
// is to do, the longer the queue is, and the more a system call sends.
var senders crowd

// A crowd is the queue of Conns that have something to send, and the goroutines that serve it.
type crowd struct {
	written atomic.Int64 // since epoch, when TryWrite last asked alone

	mu sync.Mutex
	// Guarded by mu.
	queue   []*Conn
	next    int // the first in the queue
	senders int // that run
}

// alone reports whether TryWrite has written to no other Conn just now.
func (r *crowd) alone() bool {
	now := int64(time.Since(epoch))
	since := now - r.written.Swap(now) // negative if another goroutine was faster
	return since >= int64(crowded) || since <= -int64(crowded)
}

// queued queues c, and reports whether there must be another sender.
func (r *crowd) queued(c *Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, c)
	if len(r.queue)-r.next <= r.senders*perSender ||
		r.senders > 0 && r.senders >= runtime.GOMAXPROCS(0) {
		return false
	}
	r.senders++
	return true
}

// full reports whether all senders run that may, and each has many Conns in front of it. Then a
// caller that sends itself is of more use than one that queues.
func (r *crowd) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.senders >= runtime.GOMAXPROCS(0) && len(r.queue)-r.next >= r.senders*perSender
}

// send serves the queue until no Conn is in it.
func (r *crowd) send() {
	for c := r.first(); c != nil; c = r.first() {
		c.sendQueued()
	}
}

// first takes the first Conn from the queue. If there is none, the sender ends.
func (r *crowd) first() *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == len(r.queue) {
		r.senders--
		r.next, r.queue = 0, r.queue[:0]
		if cap(r.queue) > maxKeptQueue {
			r.queue = nil
		}
		return nil
	}
	c := r.queue[r.next]
	r.queue[r.next] = nil
	if r.next++; r.next >= maxKeptQueue && 2*r.next >= len(r.queue) {
		n := copy(r.queue, r.queue[r.next:])
		clear(r.queue[n:])
		r.next, r.queue = 0, r.queue[:n]
	}
	return c
}

// sendTriedRelocks is sendRelocks after TryWrite: the senders take the place of the flusher.
func (c *Conn) sendTriedRelocks() {
	s := &c.send
	if c.nonblocking == nil {
		c.sendRelocks()
		return
	}
	batched := c.isBatchedLocked()
	if s.baton || s.flusher && !batched || c.nextOutLocked() == nil {
		return
	}
	if batched || !s.writerOpen && !c.gathersTriedLocked() {
		c.sendNowRelocks()
	}
	c.queueSendLocked()
}

// gathersTriedLocked is gathersLocked for TryWrite. If TryWrite has just written to another Conn,
// it is likely to write to more of them, and then to this one again. A rare message would leave
// alone in any case. It leaves immediately if the queue is full: the memory of its Conn is in the
// processor's cache now.
func (c *Conn) gathersTriedLocked() bool {
	answers := c.flags.has(answersNow)
	if c.gathersLocked() {
		return true
	}
	if answers || senders.alone() {
		return false
	}
	return clock().sub(c.send.given) < rare || !senders.full()
}

// queueSendLocked lets the senders send, if there is something to send, and no goroutine sends.
func (c *Conn) queueSendLocked() {
	if s := &c.send; !s.baton && !s.flusher && c.nextOutLocked() != nil {
		s.flusher = true
		c.queueUpLocked()
	}
}

// queueUpLocked puts c into the queue of the senders. If the queue is long for the senders that
// run, it starts another one.
func (c *Conn) queueUpLocked() {
	if senders.queued(c) {
		go sendAll() // ends with the queue, since no transport in it blocks
	}
}

// sendAll is a sender. (To start a method would allocate.)
func sendAll() { senders.send() }

// sendQueued gives the transport what it takes in one write. If the transport takes no more, it
// leaves the rest to the flusher, which waits. Else the rest takes its turn behind the other Conns.
func (c *Conn) sendQueued() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send.flusher = false
	if c.send.baton || c.nextOutLocked() == nil {
		return
	}
	c.send.baton = true
	whole := c.offerRelocks(notWaiting)
	c.send.baton = false
	if whole {
		c.queueSendLocked()
	} else {
		c.startFlusherLocked()
	}
}
