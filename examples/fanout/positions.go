package main

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

const (
	storeEvery   = 500 * time.Millisecond
	storeTimeout = 5 * time.Second
	storesAtMost = 32 // concurrently
)

// positions keeps the positions that named subscribers have acknowledged, in a key-value bucket of
// the broker. All gateways share it. Acknowledgements are gathered: each subscriber's last one is
// stored a few times a second.
type positions struct {
	kv   jetstream.KeyValue
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	dirty []*subscriber // whose acked is not stored; guarded by mu
}

// newPositions starts the goroutine that stores.
func newPositions(kv jetstream.KeyValue) *positions {
	ctx, stop := context.WithCancel(context.Background())
	p := &positions{kv: kv, stop: stop}
	p.wg.Go(func() { // ends with close
		tick := time.NewTicker(storeEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.store(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return p
}

// close stores what is left, and ends the goroutine.
func (p *positions) close(ctx context.Context) {
	p.stop()
	p.wg.Wait()
	p.store(ctx)
}

func (p *positions) key(sub *subscriber) string {
	return sub.topic.name + "." + short(sub.session.grant.User) + "." + sub.name
}

// stored returns a subscriber's position, or nil if there is none.
func (p *positions) stored(ctx context.Context, sub *subscriber) (*uint64, error) {
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	e, err := p.kv.Get(ctx, p.key(sub))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil //nolint:nilnil // nil is no position, and no error
	}
	if err != nil {
		return nil, err
	}
	seq, err := strconv.ParseUint(string(e.Value()), 10, 64)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sub.acked, sub.stored = seq, seq
	return &seq, nil
}

// ack notes that a subscriber has all messages up to seq.
func (p *positions) ack(sub *subscriber, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq <= sub.acked || seq > sub.topic.last() {
		return
	}
	sub.acked = seq
	p.markLocked(sub)
}

func (p *positions) markLocked(sub *subscriber) {
	if !sub.dirty {
		sub.dirty = true
		p.dirty = append(p.dirty, sub)
	}
}

// store stores all that was acknowledged, and tells the clients.
func (p *positions) store(ctx context.Context) {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = nil
	for _, sub := range dirty {
		sub.dirty = false
	}
	p.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(storesAtMost)
	for _, sub := range dirty {
		group.Go(func() error {
			p.storeOne(ctx, sub)
			return nil
		})
	}
	_ = group.Wait() // has no error
}

// storeOne stores a subscriber's position. If it cannot, or cannot tell the client, it does so the
// next time.
func (p *positions) storeOne(ctx context.Context, sub *subscriber) {
	p.mu.Lock()
	seq, stored := sub.acked, sub.stored
	p.mu.Unlock()
	if stored < seq {
		ctx, stop := context.WithTimeout(ctx, storeTimeout)
		defer stop()
		if _, err := p.kv.Put(ctx, p.key(sub), strconv.AppendUint(nil, seq, 10)); err != nil {
			sub.topic.seen.positionFailures.Inc()
			p.again(sub, stored)
			return
		}
		sub.topic.seen.positions.Inc()
	}
	if ok, err := sub.session.try(frame(Acked{typeAcked, sub.topic.name, seq})); !ok && err == nil {
		p.again(sub, seq)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sub.stored = max(sub.stored, seq)
}

func (p *positions) again(sub *subscriber, stored uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sub.stored = max(sub.stored, stored)
	p.markLocked(sub)
}
