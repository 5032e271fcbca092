package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	publishesOfOne  = 64   // messages of a connection without the broker's acknowledgement
	publishesAtMost = 4096 // of a gateway
	publishTimeout  = 5 * time.Second
)

// A publishing has what a session needs once its client publishes. The broker's acknowledgements
// are the credit: without them the session takes no further message from the client.
type publishing struct {
	session *session
	credit  chan struct{} // an element for each message that has no answer yet

	mu sync.Mutex
	// Guarded by mu.
	queue   []*pending // in the order of the client
	answers bool       // the goroutine runs
}

// A pending is a message that the broker has not acknowledged yet.
type pending struct {
	topic  *topic
	id     string
	future jetstream.PubAckFuture
}

// publish gives a client's message to the broker. It waits for credit.
func (s *session) publish(t *topic, in *incoming) error {
	data, err := payload(in.Data, in.Data64)
	if err != nil {
		return s.broke(fmt.Errorf("data64 is no base64: %w", err))
	}
	no := func(code, text string, args ...any) error {
		return s.send(&Error{Type: typeError, Code: code, Topic: t.name, ID: in.ID,
			Text: fmt.Sprintf(text, args...)})
	}
	switch {
	case !s.grant.mayWrite(t.name, in.Key):
		return no(codeNotAllowed, "the token does not allow to write the key %s", in.Key)
	case len(data) > longestData:
		return s.broke(fmt.Errorf("a payload has at most %d bytes", longestData))
	}
	p := s.publishing()
	all, ctx := s.gateway.publishes, s.conn.Context()
	for _, credit := range []chan struct{}{p.credit, all} {
		select {
		case credit <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	future, err := s.gateway.broker.js.PublishMsgAsync(
		&nats.Msg{Subject: subjectOf(t.name, in.Key), Data: data},
		// A stream of its own has the topic's ids. Users must not hide each other's messages.
		jetstream.WithMsgID(short(s.grant.User)+"/"+in.ID))
	if err != nil {
		<-p.credit
		<-all
		return no(codeNotPublished, "%v", err)
	}
	p.add(&pending{t, in.ID, future})
	return nil
}

// publishing returns the session's publishing, which it makes if there is none.
func (s *session) publishing() *publishing {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing == nil {
		s.writing = &publishing{session: s, credit: make(chan struct{}, publishesOfOne)}
	}
	return s.writing
}

func (p *publishing) add(m *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, m)
	if !p.answers {
		p.answers = true
		go p.answer() // ends when all messages have their answer
	}
}

// answer tells the client what the broker says. If the connection has ended, it still waits for the
// broker, because the messages use credit of the gateway.
func (p *publishing) answer() {
	for m := p.first(); m != nil; m = p.first() {
		select {
		case ack := <-m.future.Ok():
			<-p.session.gateway.publishes
			m.topic.seen.published.Inc()
			_ = p.session.send(Published{typePublished, m.topic.name, m.id, ack.Sequence})
		case why := <-m.future.Err(): // at the latest after publishTimeout
			<-p.session.gateway.publishes
			_ = p.session.send(&Error{Type: typeError, Code: codeNotPublished, Topic: m.topic.name,
				ID: m.id, Text: why.Error()})
		}
		<-p.credit
	}
}

// first takes the oldest message. Without one the goroutine ends.
func (p *publishing) first() *pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue, p.answers = nil, false
		return nil
	}
	m := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return m
}
