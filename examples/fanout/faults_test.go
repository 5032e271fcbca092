package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// again deletes the stream of the topic orders and makes it anew.
func (f *fixture) again() {
	f.Helper()
	require.NoError(f, f.js.DeleteStream(f.Context(), streamOf("orders")))
	c := topicConfig{name: "orders", policy: All, replicas: 1, maxBytes: -1}
	_, err := f.js.CreateStream(f.Context(), c.stream())
	require.NoError(f, err)
}

func TestATopicWhoseStreamIsMadeAgainDoesNotStandStill(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "1")
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	f.publish("orders", 1, 10)
	p.wantMessages("orders", 1, 10)
	f.again()
	f.publish("orders", 1, 5)
	require.Contains(t, p.wantError(codeGone).Text, "begun anew")
	f.knows(g, "orders", 5)
	require.Zero(t, value(t, g.topics["orders"].seen.subscribers))
	p.send(Subscribe{Type: typeSubscribe, Topic: "orders", After: new(uint64(10))})
	require.Contains(t, p.wantError(codeGone).Text, "its last one is 5")
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64)}, All, 0)
	f.publish("orders", 6, 20)
	p.wantMessages("orders", 1, 20)
	require.Equal(t, 1.0, value(t, g.topics["orders"].seen.subscribers))
}

func TestATopicWhoseServerHasLostTheNewestMessagesDoesNotDropTheNextOnes(t *testing.T) {
	f := newFixture(t)
	topic, _ := f.lossyTopic(Latest)
	require.NoError(t, topic.follow(t.Context()))
	f.publish("orders", 1, 10)
	f.fills(topic, 10)
	topic.ring.append(entry{seq: 15, key: "k5"}) // the server no longer has it
	f.loseConsumers()
	f.fills(topic, 10)
	require.Equal(t, uint64(10), topic.last())
	require.Contains(t, topic.anew.Load().Text, "its last message is 10")
	f.publish("orders", 11, 20)
	f.fills(topic, 20)
}

// session returns the only session of a gateway.
func (f *fixture) session(g *running) (s *session) {
	f.Helper()
	f.eventually(func() bool {
		g.sessions.Range(func(_, v any) bool {
			s = v.(*session)
			return false
		})
		return s != nil
	}, "the gateway has the session")
	return s
}

// subscriber returns a gateway's only subscriber to the topic orders. A client may have its
// Subscribed a moment before the gateway has the subscriber.
func (f *fixture) subscriber(g *running) (sub *subscriber) {
	f.Helper()
	s := f.session(g)
	f.eventually(func() bool {
		sub = s.find(g.topics["orders"])
		return sub != nil
	}, "the gateway has the subscriber")
	return sub
}

func TestAMessageThatIsDroppedDuringAFetchIsNoUnnoticedHole(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "4")
	f.publish("orders", 1, 60)
	stream, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	message := func(seq uint64) *jetstream.RawStreamMsg {
		m, err := stream.GetMsg(t.Context(), seq)
		require.NoError(t, err)
		return m
	}
	// The fetch has read message 10 before the stream dropped some, and message 50 behind that.
	got := []*jetstream.RawStreamMsg{message(10), message(50)}
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(50)))
	p := f.peer(url, nil)
	sub := &subscriber{session: f.session(g), topic: g.topics["orders"], next: 10}
	var gone *Error
	require.ErrorAs(t, g.fetches.give(t.Context(), sub, got, true), &gone)
	require.Equal(t, codeGone, gone.Code)
	require.Equal(t, uint64(50), gone.First)
	p.wantMessages("orders", 10, 10)
}

func TestASubscriberBeforeAHoleAtTheEndOfTheStreamDoesNotFetchForEver(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "4")
	f.publish("orders", 1, 20)
	f.knows(g, "orders", 20)
	stream, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	for seq := uint64(11); seq <= 20; seq++ {
		require.NoError(t, stream.DeleteMsg(t.Context(), seq))
	}
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64(10))}, All, 10)
	p.wantMessages("orders", 17, 20) // the ring still has them
	require.Zero(t, value(t, g.topics["orders"].seen.fetchFailures))
}

func TestTheEndOfAnOldSubscriptionDoesNotTakeAwayTheNextOne(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders")
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	old := f.subscriber(g)
	p.send(Unsubscribe{typeUnsubscribe, "orders"})
	p.want(&Unsubscribed{typeUnsubscribed, "orders"})
	p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	next := f.subscriber(g)
	old.session.refuse(old, &Error{Type: typeError, Code: codeGone}) // by a fetch that is late
	require.Same(t, next, old.session.find(g.topics["orders"]))
	require.False(t, next.gone.Load())
}

func TestNoMessageFollowsUnsubscribed(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders", "-ring", "100")
	f.publish("orders", 1, 200)
	p := f.peer(url, nil)
	for i := range 200 {
		after := uint64(i) // in the stream or in the ring
		p.send(Subscribe{Type: typeSubscribe, Topic: "orders", After: &after})
		p.send(Unsubscribe{typeUnsubscribe, "orders"})
		p.want(&Subscribed{typeSubscribed, "orders", All, after})
		for next := after + 1; ; next++ {
			got, err := p.next()
			require.NoError(t, err)
			if _, ended := got.(*Unsubscribed); ended {
				break
			}
			require.Equal(t, next, got.(*Message).Seq)
		}
	}
}

func TestALongReasonIsNotCutInsideALetter(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	for i := range 3 {
		p := f.peer(url, nil)
		kind := strings.Repeat("x", i) + strings.Repeat("日", 60)
		require.NoError(t, p.conn.Writable().Write(t.Context(),
			wsstream.Text(fmt.Sprintf(`{"type":%q}`, kind))))
		p.wantError(codeBadMessage)
		_, err := p.conn.Readable().Pull(t.Context())
		require.ErrorContains(t, err, "日日日")
	}
}

func TestAPayloadThatJSONMakesLongerDoesNotCutItsClientsForEver(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	var out, errs bytes.Buffer
	line := strings.Repeat("\x01", longestLine)
	args := []string{"publish", url, "orders"}
	require.Zero(t, run(t.Context(), args, strings.NewReader(line), &out, &errs))
	// Other programs publish what the broker takes.
	_, err := f.js.Publish(t.Context(), subjectOf("orders", "k"), make([]byte, 1<<20-100))
	require.NoError(t, err)
	out.Reset()
	args = []string{"listen", "-after", "0", "-n", "2", url, "orders"}
	require.Zero(t, run(t.Context(), args, nil, &out, &errs))
	require.Greater(t, out.Len(), longestLine+1<<20-100)
	require.Empty(t, errs.String(), "no cut")
}

func TestALongDrainLeavesTimeForTheLastPositions(t *testing.T) {
	f := newFixture(t)
	args := []string{"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-nats", f.url,
		"-topic", "orders", "-drain-wait", "1s"}
	o, err := parseServe(args, new(bytes.Buffer))
	require.NoError(t, err)
	o.gateway.late = o.gateway.wait * 9 / 10
	_, err = f.js.CreateStream(t.Context(), o.gateway.topics[0].stream())
	require.NoError(t, err)
	f.publish("orders", 1, 2)
	require.NoError(t, withGateway(t.Context(), o, func(g *running) error {
		p := f.peer(fmt.Sprintf("ws://%s/ws", g.clients), nil)
		p.subscribe(Subscribe{Topic: "orders", Name: "till", After: new(uint64)}, All, 0)
		p.wantMessages("orders", 1, 2)
		g.positions.stop() // the last positions wait for the end
		g.positions.wg.Wait()
		g.positions.ack(f.subscriber(g), 1)
		return nil
	}))
	_, url, _ := f.gateway("-topic", "orders")
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders", Name: "till"}, All, 1)
}

func TestAStoreWithWhichTheBrokerDoesNotStartIsExplained(t *testing.T) {
	store := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(store, "jetstream"), nil, 0o600))
	wantStatus(t, statusStore, "not a directory",
		"serve", "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-store", store)
}
