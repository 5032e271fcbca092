package main

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// A lossyStream is a stream whose consumers are not made, as those that a cluster gives to a server
// that has died.
type lossyStream struct {
	jetstream.Stream

	mu sync.Mutex
	// Guarded by mu.
	lose  int             // how many consumers are lost
	names map[string]bool // of lost consumers
}

// loses makes the next consumers be lost.
func (s *lossyStream) loses(many int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = many
}

func (s *lossyStream) CreateConsumer(ctx context.Context, c jetstream.ConsumerConfig,
) (jetstream.Consumer, error) {
	made, err := s.Stream.CreateConsumer(ctx, c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := made.CachedInfo().Name
	if s.lose > 0 || s.names[name] {
		s.lose--
		s.names[name] = true
		return nil, context.DeadlineExceeded
	}
	return made, nil
}

// lossyTopic returns a topic with a ring and without a consumer.
func (f *fixture) lossyTopic(policy Policy) (*topic, *lossyStream) {
	f.Helper()
	c := topicConfig{name: "orders", policy: policy, replicas: 1, maxBytes: -1}
	stream, err := f.js.CreateStream(f.Context(), c.stream())
	require.NoError(f, err)
	s := &lossyStream{Stream: stream, names: map[string]bool{}}
	t := &topic{name: c.name, policy: policy, stream: s, js: f.js, moved: make(chan struct{}, 1),
		ring: newRing(100, 1<<20, policy, 1), seen: &topicMetrics{
			interruptions: prometheus.NewCounter(prometheus.CounterOpts{Name: "interruptions"}),
		}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.created = stream.CachedInfo().Created
	f.Cleanup(t.close)
	return t, s
}

func TestAConsumerThatIsNotMadeIsReplacedByOneOfAnotherName(t *testing.T) {
	f := newFixture(t)
	topic, stream := f.lossyTopic(All)
	stream.loses(1)
	err := topic.follow(t.Context())
	require.ErrorIs(t, err, context.DeadlineExceeded, "the gateway does not start")
	require.NoError(t, topic.follow(t.Context()))
	f.publish("orders", 1, 10)
	f.fills(topic, 10)

	stream.loses(2)
	f.loseConsumers()
	f.publish("orders", 11, 20)
	f.fills(topic, 20)
	topic.close()
	require.Len(t, stream.names, 3, "no name is asked for again")
}

// loseConsumers removes the consumers of the topic orders from the broker.
func (f *fixture) loseConsumers() {
	f.Helper()
	stream, err := f.js.Stream(f.Context(), streamOf("orders"))
	require.NoError(f, err)
	names := stream.ConsumerNames(f.Context())
	for name := range names.Name() {
		require.NoError(f, stream.DeleteConsumer(f.Context(), name))
	}
	require.NoError(f, names.Err())
}

func TestATopicGoesOnBehindItsNewestMessageWhenItsConsumerIsLost(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "64")
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	for i := range 3 {
		f.publish("orders", i*10+1, i*10+10)
		p.wantMessages("orders", i*10+1, i*10+10)
		f.loseConsumers()
	}
	f.publish("orders", 31, 40)
	p.wantMessages("orders", 31, 40)
	require.Positive(t, value(t, g.topics["orders"].seen.interruptions))
}

func TestMessagesAsLargeAsTheBrokerTakesComeThoughTheBytesOnTheirWayAreLimited(t *testing.T) {
	f := newFixture(t)
	topic, _ := f.lossyTopic(All)
	require.NoError(t, topic.follow(t.Context()))
	large := bytes.Repeat([]byte("x"), int(f.js.Conn().MaxPayload()))
	const many = 2 * consumerBytes >> 20
	for range many {
		_, err := f.js.Publish(t.Context(), subjectOf("orders", "k"), large)
		require.NoError(t, err)
	}
	f.fills(topic, many)
}
