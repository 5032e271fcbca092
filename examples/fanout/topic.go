package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A topic is the part of a gateway for one stream. One consumer fills the ring. Each shard serves
// some of the subscribers from the ring, on a goroutine of its own.
type topic struct {
	name   string
	policy Policy
	stream jetstream.Stream
	js     jetstream.JetStream
	ring   *ring
	seen   *topicMetrics
	fetch  func(*subscriber) // lets a subscriber catch up

	shards []*shard
	turn   atomic.Uint64 // which shard gets the next subscriber
	moved  chan struct{} // has a token when a shard has finished a pass

	newest  atomic.Uint64         // of the stream, when the topic was opened or began anew
	created time.Time             // the stream; of the consumer's goroutine
	anew    atomic.Pointer[Error] // for the subscribers from before the topic began anew

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// openTopic starts the consumer and the shards of a topic.
func openTopic(ctx context.Context, g *gateway, c topicConfig) (*topic, error) {
	stream, err := g.broker.stream(ctx, c)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	t := &topic{
		name: c.name, policy: c.policy, stream: stream, js: g.broker.js, created: info.Created,
		moved: make(chan struct{}, 1), fetch: g.fetches.add,
	}
	t.newest.Store(info.State.LastSeq)
	t.ring = newRing(g.options.ring, g.options.ringBytes, c.policy,
		beginOfRing(info.State, g.options.ring))
	t.seen = g.metrics.topic(t)
	t.ctx, t.stop = context.WithCancel(context.Background())
	for range runtime.GOMAXPROCS(0) {
		s := &shard{topic: t, kick: make(chan struct{}, 1)}
		t.shards = append(t.shards, s)
		t.wg.Go(s.run) // ends with close
	}
	if err := t.follow(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// beginOfRing returns where a ring begins, so that clients that come back find it filled.
func beginOfRing(s jetstream.StreamState, most int) uint64 {
	low := max(s.FirstSeq, 1)
	if n := uint64(most); s.LastSeq >= low+n {
		low = s.LastSeq - n + 1
	}
	return low
}

// beginAnew empties the ring and ends all subscriptions. An operator has made the stream again, or
// its server has lost the newest messages. So the numbers that clients have are of other messages.
func (t *topic) beginAnew(now *jetstream.StreamInfo) {
	t.created = now.Created
	t.anew.Store(&Error{Type: typeError, Code: codeGone, Topic: t.name, First: now.State.FirstSeq,
		Text: fmt.Sprintf("the topic has begun anew; its last message is %d", now.State.LastSeq)})
	t.newest.Store(now.State.LastSeq)
	t.ring.restart(beginOfRing(now.State, t.ring.most))
	for _, s := range t.shards {
		s.tell()
	}
}

// take puts a message into the ring, and tells the shards. It waits while a shard is so far behind
// that its subscribers would fall out of the ring. Then this machine is the slow part, and fetching
// would make that worse. A slow client does not make take wait: its shard has left it behind.
func (t *topic) take(m jetstream.Msg, seq uint64) {
	key := keyOf(t.name, m.Subject())
	e := entry{seq: seq, key: key, message: messageFrame(t.name, seq, key, m.Data()).Prepare()}
	for !t.hasRoom() {
		select {
		case <-t.moved:
		case <-t.ctx.Done():
			return
		}
	}
	t.ring.append(e)
	for _, s := range t.shards {
		s.tell()
	}
}

// hasRoom reports whether all shards have passed at least one half of the ring.
func (t *topic) hasRoom() bool {
	_, _, total, totalBytes := t.ring.size()
	for _, s := range t.shards {
		if total-s.passed.Load() >= int64(t.ring.most+1)/2 ||
			totalBytes-s.passedBytes.Load() >= int64(t.ring.mostBytes+1)/2 {
			return false
		}
	}
	return true
}

// last returns the number of the newest message that the topic knows.
func (t *topic) last() uint64 {
	_, head := t.ring.bounds()
	return max(head, t.newest.Load())
}

// first asks the stream's leader for the number of the oldest message.
func (t *topic) first(ctx context.Context) (uint64, error) {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.FirstSeq, nil
}

// lacks asks whether the topic cannot go on behind a position: it no longer keeps the next message,
// or never had that position. 0 is the beginning of what the topic keeps.
func (t *topic) lacks(ctx context.Context, after uint64) (*Error, error) {
	low, _ := t.ring.bounds()
	last := t.last()
	if after == 0 || after+1 >= low && after <= last {
		return nil, nil //nolint:nilnil // nil: it lacks nothing
	}
	info, err := t.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	first, last := info.State.FirstSeq, info.State.LastSeq
	switch {
	case after > last:
		return &Error{Type: typeError, Code: codeGone, Topic: t.name, First: first,
			Text: fmt.Sprintf("the topic has no message %d; its last one is %d", after, last)}, nil
	case t.policy == All:
		return goneError(t, after+1, first), nil
	}
	return nil, nil //nolint:nilnil // nil: it lacks nothing
}

// shard returns the shard for the next subscriber.
func (t *topic) shard() *shard { return t.shards[t.turn.Add(1)%uint64(len(t.shards))] }

// add lets a subscriber get its messages.
func (t *topic) add(sub *subscriber) {
	t.seen.subscribers.Inc()
	sub.shard.wake(sub)
}

// close ends the consumer and the shards.
func (t *topic) close() {
	t.stop()
	t.wg.Wait()
}
