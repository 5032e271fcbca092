package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/wsstream/wsstream"
)

// A session is a client's connection. It has no goroutine: messages come to handle, and credit
// comes to wake.
type session struct {
	gateway *gateway
	conn    *wsstream.Conn
	grant   *Grant

	// out is held during a TryWrite, so that a refusal has one of two reasons: there is no credit,
	// or a Write waits. Both end with a call of wake.
	out sync.Mutex

	mu sync.Mutex
	// Guarded by mu. No method of conn is called while it is held: a hook of conn locks it.
	subs    []*subscriber
	writing *publishing // nil until the client publishes
	over    bool
}

// try writes m if there is credit.
func (s *session) try(m wsstream.Message) (bool, error) {
	s.out.Lock()
	defer s.out.Unlock()
	return s.conn.Writable().TryWrite(m)
}

// errLeft says that a subscription has ended.
var errLeft = errors.New("the subscription has ended")

// give writes a subscriber's message if there is credit. Behind leave, it writes nothing.
func (s *session) give(sub *subscriber, m wsstream.Message) (bool, error) {
	s.out.Lock()
	defer s.out.Unlock()
	if sub.gone.Load() {
		return false, errLeft
	}
	return s.conn.Writable().TryWrite(m)
}

// send writes an answer, and waits for credit.
func (s *session) send(v any) error {
	m := frame(v)
	if ok, err := s.try(m); ok || err != nil {
		return err
	}
	err := s.conn.Writable().Write(s.conn.Context(), m)
	s.wake() // a subscriber may have found this Write in its way
	return err
}

// wake lets the subscribers look at their credit again.
func (s *session) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		sub.shard.wake(sub)
	}
}

// handle does what a client's message says. While it waits, the client's next message waits.
func (s *session) handle(m wsstream.Message) error {
	in, err := parse(m)
	if err != nil {
		return s.broke(err)
	}
	t := s.gateway.topics[in.Topic]
	if t == nil {
		return s.send(&Error{Type: typeError, Code: codeUnknownTopic, Topic: in.Topic, ID: in.ID,
			Text: fmt.Sprintf("there is no topic %q", in.Topic)})
	}
	switch in.Type {
	case typeSubscribe:
		return s.subscribe(t, in)
	case typeUnsubscribe:
		if sub := s.find(t); sub != nil && s.remove(sub) {
			sub.leave()
		}
		return s.send(Unsubscribed{typeUnsubscribed, t.name})
	case typeAck:
		if sub := s.find(t); sub != nil && sub.name != "" {
			s.gateway.positions.ack(sub, in.Seq)
		}
		return nil
	default:
		return s.publish(t, in)
	}
}

// broke ends a session whose client broke the protocol.
func (s *session) broke(cause error) error {
	_ = s.send(&Error{Type: typeError, Code: codeBadMessage, Text: cause.Error()})
	return &wsstream.Error{CloseInfo: wsstream.CloseInfo{
		Code: closeBadMessage, Reason: cause.Error(), // a long one is cut
	}}
}

// subscribe adds a subscription.
func (s *session) subscribe(t *topic, in *incoming) error {
	sub, no := s.subscription(t, in)
	if no != nil {
		return s.send(no)
	}
	if err := s.send(Subscribed{typeSubscribed, t.name, t.policy, sub.next - 1}); err != nil {
		return err
	}
	if s.add(sub) {
		t.add(sub)
	}
	return nil
}

// subscription returns a new subscription, or the answer to a client that gets none.
func (s *session) subscription(t *topic, in *incoming) (*subscriber, *Error) {
	no := func(code, text string, args ...any) (*subscriber, *Error) {
		return nil, &Error{Type: typeError, Code: code, Topic: t.name, Text: fmt.Sprintf(text, args...)}
	}
	if !s.grant.mayRead(t.name, in.Keys) {
		return no(codeNotAllowed, "the token does not allow to read the keys %s", in.Keys)
	}
	if s.find(t) != nil {
		return no(codeSubscribed, "there is a subscription to the topic")
	}
	sub := &subscriber{session: s, topic: t, shard: t.shard(), name: in.Name,
		anew: t.anew.Load()}
	if in.Keys != ">" {
		sub.keys = in.Keys
	}
	after, err := s.position(sub, in.After)
	if err != nil {
		return no(codeUnavailable, "the broker does not answer: %v", err)
	}
	if after == nil {
		after = new(t.last())
	}
	gone, err := t.lacks(s.conn.Context(), *after)
	if err != nil {
		return no(codeUnavailable, "the broker does not answer: %v", err)
	}
	if gone != nil {
		return nil, gone
	}
	sub.next = *after + 1
	return sub, nil
}

// position returns the position behind which a subscriber begins, or nil for none. It is the higher
// one of what the client says and what is stored under the subscriber's name.
func (s *session) position(sub *subscriber, says *uint64) (*uint64, error) {
	if sub.name == "" {
		return says, nil
	}
	stored, err := s.gateway.positions.stored(s.conn.Context(), sub)
	switch {
	case err != nil:
		return nil, err
	case stored == nil || says != nil && *says >= *stored:
		return says, nil
	}
	return stored, nil
}

// add puts a subscriber into the list. It reports false if the session has ended.
func (s *session) add(sub *subscriber) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.subs = append(s.subs, sub)
	}
	return !s.over
}

// find returns the subscription to a topic, or nil.
func (s *session) find(t *topic) *subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.subs, func(sub *subscriber) bool { return sub.topic == t })
	if i < 0 {
		return nil
	}
	return s.subs[i]
}

// remove removes a subscriber from the list. It reports false if the subscriber is not there.
func (s *session) remove(sub *subscriber) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.subs, sub)
	if i >= 0 {
		s.subs = slices.Delete(s.subs, i, i+1)
	}
	return i >= 0
}

// refuse ends a subscription with an Error. A client whose window is full may read it late, so
// refuse does not wait for that.
func (s *session) refuse(sub *subscriber, e *Error) {
	if s.remove(sub) {
		sub.gone.Store(true)
		go func() { _ = s.send(e) }() // ends with the connection
	}
}

// end ends the session after its connection.
func (s *session) end(error) {
	s.gateway.sessions.Delete(s.conn)
	s.mu.Lock()
	subs := s.subs
	s.subs, s.over = nil, true
	s.mu.Unlock()
	for _, sub := range subs {
		sub.leave()
	}
}
