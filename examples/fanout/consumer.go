package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	consumerTimeout   = 3 * time.Second        // to make a consumer
	consumerAgain     = 200 * time.Millisecond // after a consumer that failed
	consumerHeartbeat = time.Second            // how often the broker speaks; after two it is lost
	consumerForgotten = 30 * time.Second       // the broker then removes an unused consumer
)

// follow fills the ring until the topic's context ends. A consumer that fails is replaced by
// another one, which begins behind the ring's newest message.
//
// The consumer is in the memory of one server, so it dies with that. A cluster may even give a new
// consumer to a server that has just died. Then a consumer of that name is never made, so each
// attempt is for a consumer of another name. An ordered consumer of nats.go asks for the same name
// again.
func (t *topic) follow(ctx context.Context) error {
	c, err := t.newConsumer(ctx)
	if err != nil {
		return err
	}
	t.ready.Store(true)
	t.wg.Go(func() { // ends with close
		for {
			if err == nil {
				t.consume(c)
			}
			select {
			case <-time.After(consumerAgain):
			case <-t.ctx.Done():
				return
			}
			t.seen.interruptions.Inc()
			c, err = t.newConsumer(t.ctx)
		}
	})
	return nil
}

// newConsumer makes a consumer of the messages behind the ring's newest one.
func (t *topic) newConsumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, stop := context.WithTimeout(ctx, consumerTimeout)
	defer stop()
	_, head := t.ring.bounds()
	return t.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{ // of a new name
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       head + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: consumerForgotten,
	})
}

// consume takes messages from a consumer until that fails or leaves a message out, or until the
// topic's context ends.
func (t *topic) consume(c jetstream.Consumer) {
	ctx, stop := context.WithCancel(t.ctx)
	defer stop()
	// What a server sent to a connection that was lost is lost, and the consumer does not repeat it.
	nc := t.js.Conn()
	lost := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer nc.RemoveStatusListener(lost)
	t.wg.Go(func() { // ends with consume
		select {
		case <-lost:
			stop()
		case <-ctx.Done():
		}
	})
	messages, err := c.Messages(
		jetstream.PullMaxMessages(1024),
		jetstream.PullExpiry(10*time.Second),
		jetstream.PullHeartbeat(consumerHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return
	}
	defer messages.Stop()
	for delivered := uint64(1); ; delivered++ {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return
		}
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Consumer != delivered {
			return
		}
		t.take(m, meta.Sequence.Stream)
	}
}
