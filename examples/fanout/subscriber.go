package main

import (
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// A subscriber is a sequence number and a connection. It has no goroutine:
//
//	       message next is in the ring          TryWrite has no credit
//	live  ←─────────────────────────── (step) ──────────────────────────→  blocked
//	 │      each new message steps        │         StallEnded steps          │
//	 └────────────────────────────────────┼───────────────────────────────────┘
//	                                      │ message next is not in the ring
//	                                      ↓
//	                                   fetching   the fetch, when done, steps
//
// The sequence number is all that is handed over between ring and stream, so no message can be lost
// or doubled there.
type subscriber struct {
	session *session
	topic   *topic
	shard   *shard
	keys    string // the pattern that it asked for; empty: all keys
	name    string // of its position; empty for none
	anew    *Error // the topic's when it began
	gone    atomic.Bool

	// Of the shard's goroutine; while the state is fetching, of the fetch.
	next  uint64 // the number of the next message
	state subscriberState
	at    int // its index in the shard's live; valid while the state is live

	// Guarded by the shard's mu.
	woken   bool // it is in the shard's woken
	fetched bool // the fetch is done

	// Guarded by the mu of the positions.
	acked, stored uint64
	dirty         bool
}

type subscriberState uint8

const (
	idle     subscriberState = iota // about to be stepped
	live                            // it has all messages of the ring
	blocked                         // it waits for credit
	fetching                        // a fetch has it, or it waits for one
	ended
)

// wants reports whether a key is one that the subscriber asked for.
func (sub *subscriber) wants(key string) bool {
	return sub.keys == "" || server.SubjectMatchesFilter(key, sub.keys)
}

// leave ends the subscription. No message follows. The shard forgets it later.
func (sub *subscriber) leave() {
	sub.session.out.Lock()
	left := sub.gone.Swap(true)
	sub.session.out.Unlock()
	if !left {
		sub.shard.wake(sub)
	}
}

// A shard serves some of a topic's subscribers, on one goroutine.
type shard struct {
	topic *topic
	kick  chan struct{} // has a token when there is something to do
	live  []*subscriber // of the goroutine

	passed, passedBytes atomic.Int64 // how much of the ring all live subscribers have passed

	mu    sync.Mutex
	woken []*subscriber // to be stepped; guarded by mu
}

// tell makes the goroutine look at the ring, and at the subscribers that were woken.
func (s *shard) tell() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// wake lets a subscriber be stepped. It never blocks, so a hook of a Conn may call it.
func (s *shard) wake(sub *subscriber) { s.enqueue(sub, false) }

// fetchDone gives a subscriber back after a fetch.
func (s *shard) fetchDone(sub *subscriber) { s.enqueue(sub, true) }

func (s *shard) enqueue(sub *subscriber, fetched bool) {
	s.mu.Lock()
	sub.fetched = sub.fetched || fetched
	if !sub.woken {
		sub.woken = true
		s.woken = append(s.woken, sub)
	}
	s.mu.Unlock()
	s.tell()
}

// take returns the subscribers that were woken, and takes back those whose fetch is done.
func (s *shard) take(free []*subscriber) []*subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	woken := s.woken
	s.woken = free
	for _, sub := range woken {
		sub.woken = false
		if sub.fetched {
			sub.fetched = false
			s.change(sub, idle)
		}
	}
	return woken
}

// readAhead is how many messages of the ring a step copies from it while the ring is locked.
const readAhead = 32

// run serves the subscribers until the topic is closed.
func (s *shard) run() {
	var woken []*subscriber
	buf := make([]entry, 0, readAhead)
	for {
		select {
		case <-s.kick:
		case <-s.topic.ctx.Done():
			return
		}
		clear(woken)
		woken = s.take(woken[:0])
		for _, sub := range woken {
			if sub.state != live || sub.gone.Load() {
				s.step(sub, buf)
			}
		}
		s.pass(buf)
	}
}

// pass gives the live subscribers what is new in the ring.
func (s *shard) pass(buf []entry) {
	_, _, total, totalBytes := s.topic.ring.size()
	if total == s.passed.Load() {
		return
	}
	for i := 0; i < len(s.live); {
		sub := s.live[i]
		if s.step(sub, buf); i < len(s.live) && s.live[i] == sub {
			i++ // else another one has its place now
		}
	}
	s.passed.Store(total)
	s.passedBytes.Store(totalBytes)
	select {
	case s.topic.moved <- struct{}{}:
	default:
	}
}

// step gives a subscriber all that it has credit for.
func (s *shard) step(sub *subscriber, buf []entry) {
	if sub.state == fetching || sub.state == ended {
		return
	}
	for {
		if sub.gone.Load() {
			s.change(sub, ended)
			s.topic.seen.subscribers.Dec()
			return
		}
		if anew := s.topic.anew.Load(); anew != sub.anew {
			sub.session.refuse(sub, anew)
			sub.gone.Store(true)
			continue
		}
		entries, ok := s.topic.ring.read(sub.next, buf[:0])
		switch {
		case !ok && sub.session.conn.Writable().DesiredSize() <= 0:
			s.change(sub, blocked)
			return
		case !ok:
			s.change(sub, fetching)
			s.topic.fetch(sub)
			return
		case len(entries) == 0:
			s.change(sub, live)
			return
		}
		if !s.give(sub, entries) {
			return
		}
	}
}

// give writes entries to a subscriber. It reports false if the subscriber has no credit for all of
// them.
func (s *shard) give(sub *subscriber, entries []entry) bool {
	written := 0
	defer func() { s.topic.seen.fromRing.Add(float64(written)) }()
	for _, e := range entries {
		if !e.stale && sub.wants(e.key) {
			ok, err := sub.session.give(sub, e.message)
			if err != nil {
				sub.gone.Store(true) // the connection has ended, or the subscription
				return true
			}
			if !ok {
				s.change(sub, blocked)
				return false
			}
			written++
		}
		sub.next = e.seq + 1
	}
	return true
}

// change gives a subscriber another state.
func (s *shard) change(sub *subscriber, to subscriberState) {
	if sub.state == to {
		return
	}
	if sub.state == live {
		last := len(s.live) - 1
		s.live[sub.at] = s.live[last]
		s.live[sub.at].at = sub.at
		s.live[last] = nil
		s.live = s.live[:last]
	}
	s.topic.seen.changed(sub.state, to)
	if sub.state = to; to == live {
		sub.at = len(s.live)
		s.live = append(s.live, sub)
	}
}
