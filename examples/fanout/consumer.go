package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	consumerTimeout   = 3 * time.Second        // to make a consumer
	consumerAgain     = 200 * time.Millisecond // after a consumer that failed
	consumerBytes     = 8 << 20                // that are on their way from the broker, or more
	consumerHeartbeat = time.Second            // how often the broker speaks; after two it is lost
	consumerForgotten = 30 * time.Second       // the broker then removes an unused consumer
)

// errAnew says that the stream is another one.
var errAnew = errors.New("the stream has begun anew")

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
	t.wg.Go(func() { // ends with close
		for {
			t.consume(c)
			if c = t.nextConsumer(); c == nil {
				return
			}
			t.seen.interruptions.Inc()
		}
	})
	return nil
}

// nextConsumer makes a consumer in place of one that has failed. It tries that again and again. It
// returns nil when the topic's context ends.
func (t *topic) nextConsumer() jetstream.Consumer {
	for {
		select {
		case <-time.After(consumerAgain):
		case <-t.ctx.Done():
			return nil
		}
		if c, err := t.newConsumer(t.ctx); err == nil {
			return c
		}
	}
}

// newConsumer makes a consumer of the messages behind the ring's newest one. If the stream is no
// longer that of the ring, the topic begins anew, and newConsumer returns errAnew. The consumer
// comes first: it ends with its stream, so it cannot be of another stream than the one looked at.
func (t *topic) newConsumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, stop := context.WithTimeout(ctx, consumerTimeout)
	defer stop()
	_, head := t.ring.bounds()
	c, err := t.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{ // of a new name
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       head + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: consumerForgotten,
	})
	if err != nil {
		return nil, err
	}
	info, err := t.stream.Info(ctx)
	switch {
	case err != nil:
		return nil, err
	case !info.Created.Equal(t.created) || info.State.LastSeq < head:
		t.beginAnew(info)
		return nil, errAnew
	}
	return c, nil
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
		jetstream.PullMaxMessagesWithBytesLimit(1024, max(consumerBytes, 2*int(nc.MaxPayload()))),
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
