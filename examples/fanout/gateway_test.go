package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestASubscriberGoesFromStreamToRingWithoutHoleOrDouble(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "64")
	f.publish("orders", 1, 500)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const subscribers, last = 20, 1500
	done := make(chan error, subscribers)
	for i := range subscribers {
		after := uint64(i * 25) // some begin in the stream, some in the ring
		l := &listener{dialer: dialer{urls: []string{url}}, topic: "orders", after: &after}
		go func() { // ends with the last message, or with the test
			next := after + 1
			done <- l.run(ctx, func(m *Message) error {
				if m.Seq != next || *m.Data != fmt.Sprint(next) {
					return &failure{1, fmt.Errorf("got %d (%s), not %d", m.Seq, *m.Data, next)}
				}
				if next++; m.Seq == last {
					return errDone
				}
				return nil
			})
		}()
	}
	f.publish("orders", 501, last)
	for range subscribers {
		require.NoError(t, <-done)
	}
	seen := g.topics["orders"].seen
	require.Positive(t, value(t, seen.fromRing))
	require.Positive(t, value(t, seen.fromStream))
}

func TestASlowSubscriberHoldsBackItselfOnly(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "16", "-window", "4KiB")
	fast, slow := f.peer(url, nil), f.peer(url, slowly)
	fast.subscribe(Subscribe{Topic: "orders"}, All, 0)
	slow.subscribe(Subscribe{Topic: "orders"}, All, 0)
	big := strings.Repeat("x", 2000)
	const last = 130 // more than the kernel has for the slow one
	for i := 1; i <= last; i++ {
		_, err := f.js.Publish(t.Context(), subjectOf("orders", "k"), []byte(big))
		require.NoError(t, err)
		got, err := fast.next()
		require.NoError(t, err)
		require.Equal(t, uint64(i), got.(*Message).Seq, "the fast one has it")
	}
	states := g.topics["orders"].seen.byState
	require.Equal(t, 1.0, value(t, states[blocked]))
	held := g.meter.Totals().Sent
	require.LessOrEqual(t, held.HeldMax, int64(4<<10+len(big)+200), "a window, and one message")
	for i := 1; i <= last; i++ {
		got, err := slow.next()
		require.NoError(t, err)
		require.Equal(t, uint64(i), got.(*Message).Seq, "nothing is lost")
	}
	f.eventually(func() bool { return value(t, states[live]) == 2 }, "the slow one has caught up")
}

func TestAWaitingSubscriberHasNoGoroutine(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "16", "-window", "4KiB")
	const many = 100
	for range many {
		p := f.peer(url, slowly)
		p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	}
	states := g.topics["orders"].seen.byState
	f.eventually(func() bool { return value(t, states[live]) == many }, "all wait for messages")
	before := runtime.NumGoroutine()
	require.Less(t, before, many, "they wait for messages")
	big := []byte(strings.Repeat("x", 60_000))
	for range 40 {
		_, err := f.js.Publish(t.Context(), subjectOf("orders", "k"), big)
		require.NoError(t, err)
	}
	f.eventually(func() bool { return value(t, states[blocked]) == many }, "all wait for credit")
	require.LessOrEqual(t, runtime.NumGoroutine(), before+many+10,
		"only the one of wsstream that waits for the socket")
}

func TestOfTheLatestASlowSubscriberSkipsWhatWasReplaced(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "prices:latest", "-ring", "16")
	f.publish("prices", 1, 100)
	f.knows(g, "prices", 100)
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "prices", After: new(uint64)}, Latest, 0)
	p.wantMessages("prices", 91, 100) // one of each key
	f.publish("prices", 101, 105)
	p.wantMessages("prices", 101, 105)
	p = f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "prices", After: new(uint64(50))}, Latest, 50)
	p.wantMessages("prices", 96, 105) // an old resume point is no loss
}

func TestASubscriberGetsTheKeysThatItAskedFor(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "16")
	f.publish("orders", 1, 100)
	f.knows(g, "orders", 100)
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64), Keys: "k3"}, All, 0)
	for i := 3; i <= 93; i += 10 {
		p.want(published("orders", i))
	}
	f.publish("orders", 101, 110)
	p.want(published("orders", 103))
	p = f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64(5)), Keys: "none.*"}, All, 5)
	_, err := f.js.Publish(t.Context(), subjectOf("orders", "none.x"), []byte("at last"))
	require.NoError(t, err)
	got, err := p.next()
	require.NoError(t, err)
	require.Equal(t, uint64(111), got.(*Message).Seq, "the stream had none, and the ring goes on")
}

func TestAResumePointThatIsGoneIsAnError(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "16")
	f.publish("orders", 1, 100)
	f.knows(g, "orders", 100)
	s, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSequence(50)))
	p := f.peer(url, nil)
	p.send(Subscribe{Type: typeSubscribe, Topic: "orders", After: new(uint64(10))})
	require.Equal(t, uint64(50), p.wantError(codeGone).First)
	p.send(Subscribe{Type: typeSubscribe, Topic: "orders", After: new(uint64(1000))})
	require.Contains(t, p.wantError(codeGone).Text, "its last one is 100")
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64)}, All, 0)
	p.wantMessages("orders", 50, 100) // the beginning of what is kept is never gone
}

func TestASubscriberWhoseMessagesAreDeletedIsTold(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "16", "-window", "4KiB")
	p := f.peer(url, slowly)
	p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	big := []byte(strings.Repeat("x", 60_000))
	for range 40 {
		_, err := f.js.Publish(t.Context(), subjectOf("orders", "k"), big)
		require.NoError(t, err)
	}
	blockedNow := g.topics["orders"].seen.byState[blocked]
	f.eventually(func() bool { return value(t, blockedNow) == 1 }, "it is slow")
	s, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSequence(39)))
	for seq := uint64(1); ; seq++ {
		got, err := p.next()
		if e, ok := errors.AsType[*Error](err); ok {
			require.Equal(t, codeGone, e.Code)
			require.Equal(t, uint64(39), e.First)
			return
		}
		require.NoError(t, err)
		require.Equal(t, seq, got.(*Message).Seq, "what came before is whole")
	}
}

func TestAnInnerHoleOfTheStreamIsNoLoss(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "4")
	f.publish("orders", 1, 20)
	f.knows(g, "orders", 20)
	s, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	require.NoError(t, s.DeleteMsg(t.Context(), 5))
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64(4))}, All, 4)
	p.wantMessages("orders", 6, 20)
}

func TestANamedSubscriberGoesOnAtAnyGateway(t *testing.T) {
	f := newFixture(t)
	_, one, end := f.gateway("-topic", "orders")
	_, two, _ := f.gateway("-topic", "orders")
	p := f.peer(one, nil)
	p.subscribe(Subscribe{Topic: "orders", Name: "till"}, All, 0)
	f.publish("orders", 1, 10)
	p.wantMessages("orders", 1, 10)
	p.send(Ack{typeAck, "orders", 6})
	p.send(Ack{typeAck, "orders", 4}) // lower than before
	p.want(&Acked{typeAcked, "orders", 6})
	p.send(Ack{typeAck, "orders", 7})
	end() // stores what is left
	p = f.peer(two, nil)
	p.subscribe(Subscribe{Topic: "orders", Name: "till"}, All, 7)
	p.wantMessages("orders", 8, 10)
	p = f.peer(two, nil)
	p.subscribe(Subscribe{Topic: "orders", Name: "till", After: new(uint64(9))}, All, 9)
	p.wantMessages("orders", 10, 10) // the client knows more than the broker
}

func TestAMessageThatIsPublishedAgainIsStoredOnce(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	data := "two coffees"
	m := Publish{Type: typePublish, Topic: "orders", Key: "eu.de", Data: &data, ID: "1"}
	p.send(m)
	p.send(m)
	m.ID = "2"
	p.send(m)
	answers := map[string]int{}
	for range 5 {
		v, err := p.next()
		require.NoError(t, err)
		switch v := v.(type) {
		case *Message:
			answers[fmt.Sprint("message ", v.Seq)]++
		case *Published:
			answers[fmt.Sprint("published ", v.Seq)]++
		}
	}
	require.Equal(t, map[string]int{
		"message 1": 1, "message 2": 1, "published 1": 2, "published 2": 1,
	}, answers)
}

func TestAGatewayEndsBehindTheBrokersLastAnswer(t *testing.T) {
	f := newFixture(t)
	g, _, end := f.gateway("-topic", "orders")
	g.publishes <- struct{}{} // a message without its answer
	ended := make(chan struct{})
	go func() { // ends with the gateway
		defer close(ended)
		end()
	}()
	f.eventually(func() bool { return len(g.publishes) == publishesAtMost }, "it waits for one")
	select {
	case <-ended:
		require.Fail(t, "it did not wait")
	default:
	}
	<-g.publishes
	<-ended
}

func TestThePublisherWaitsForTheBroker(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders")
	// A gateway without credit: other connections have all of it.
	for range publishesAtMost {
		g.publishes <- struct{}{}
	}
	p := f.peer(url, nil)
	data := strings.Repeat("x", 100_000)
	written := new(atomic.Int64)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		for i := 0; ; i++ {
			m := frame(Publish{Type: typePublish, Topic: "orders", Key: "k", Data: &data, ID: fmt.Sprint(i)})
			if p.conn.Writable().Write(ctx, m) != nil {
				return
			}
			written.Add(1)
		}
	}()
	f.eventually(func() bool { return p.conn.Stats().Sent.Stalled > 200*time.Millisecond }, "it waits")
	require.Zero(t, g.topics["orders"].last())
	for range publishesAtMost {
		<-g.publishes
	}
	before := written.Load()
	f.eventually(func() bool { return written.Load() > before+10 }, "it goes on")
	stop()
	<-done
}

func TestATokenLimitsWhatAClientMayDo(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-auth", tokenFile(t, tokens))
	for _, token := range []string{"", "wrong"} {
		_, err := wsstream.Dial(t.Context(), url+"?token="+token, nil).Opened().Wait(t.Context())
		var h *wsstream.HandshakeError
		require.ErrorAs(t, err, &h)
		require.Equal(t, http.StatusUnauthorized, h.Status)
	}
	require.Equal(t, 2.0, value(t, g.metrics.refused))
	p := f.peer(url+"?token=t-eu", nil) // as a page does it
	p.send(Subscribe{Type: typeSubscribe, Topic: "orders"})
	p.wantError(codeNotAllowed)
	p.send(Publish{Type: typePublish, Topic: "orders", Key: "eu.de", Data: new("x"), ID: "1"})
	require.Equal(t, "1", p.wantError(codeNotAllowed).ID)
	p.send(Subscribe{Type: typeSubscribe, Topic: "nothing"})
	p.wantError(codeUnknownTopic)
	p.subscribe(Subscribe{Topic: "orders", Keys: "eu.>"}, All, 0)
	p.send(Subscribe{Type: typeSubscribe, Topic: "orders", Keys: "eu.de"})
	p.wantError(codeSubscribed)
	p.send(Unsubscribe{typeUnsubscribe, "orders"})
	p.want(&Unsubscribed{typeUnsubscribed, "orders"})
	p.subscribe(Subscribe{Topic: "orders", Keys: "eu.de"}, All, 0)
}

func TestAClientThatBreaksTheProtocolIsSentAway(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	p := f.peer(url, nil)
	require.NoError(t, p.conn.Writable().Write(t.Context(), wsstream.Text("{")))
	p.wantError(codeBadMessage)
	_, err := p.conn.Readable().Pull(t.Context())
	require.Equal(t, closeBadMessage, wsstream.CloseCode(err))
}

// get returns an operator's answer.
func get(t *testing.T, g *running, path string) (status int, body string) {
	t.Helper()
	return getURL(t, fmt.Sprintf("http://%s%s", g.operators, path))
}

func getURL(t testing.TB, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Close = true // leaves no goroutine
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestADrainSendsTheClientsAway(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-drain-spread", "50ms")
	for _, path := range []string{"/healthz", "/readyz"} {
		status, body := get(t, g, path)
		require.Equal(t, http.StatusOK, status, body)
	}
	peers := []*peer{f.peer(url, nil), f.peer(url, nil), f.peer(url, nil)}
	for _, p := range peers {
		p.subscribe(Subscribe{Topic: "orders"}, All, 0)
	}
	left := make(chan int, len(peers))
	for _, p := range peers {
		go func() { // ends with the drain
			_, err := p.conn.Readable().Pull(context.Background())
			left <- wsstream.CloseCode(err)
		}()
	}
	status, body := get(t, g, "/drain")
	require.Equal(t, http.StatusOK, status, body)
	for range peers {
		require.Equal(t, 1001, <-left)
	}
	status, body = get(t, g, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "draining\n", body)
	status, _ = get(t, g, "/healthz")
	require.Equal(t, http.StatusOK, status, "a drain is no reason to kill the process")
	_, err := wsstream.Dial(t.Context(), url, nil).Opened().Wait(t.Context())
	var h *wsstream.HandshakeError
	require.ErrorAs(t, err, &h)
	require.Equal(t, http.StatusServiceUnavailable, h.Status)
}

func TestTheMetricsTellWhatHappens(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "2")
	f.publish("orders", 1, 5)
	f.knows(g, "orders", 5)
	p := f.peer(url, nil)
	p.subscribe(Subscribe{Topic: "orders", After: new(uint64)}, All, 0)
	p.wantMessages("orders", 1, 5)
	f.eventually(func() bool {
		_, body := get(t, g, "/metrics")
		for _, line := range []string{
			`fanout_subscribers{topic="orders"} 1`,
			`fanout_subscriber_states{state="live",topic="orders"} 1`,
			`fanout_subscriber_states{state="fetching",topic="orders"} 0`,
			`fanout_ring_head{topic="orders"} 5`,
			`fanout_ring_messages{topic="orders"} 2`,
			`wsstream_connections 1`,
		} {
			if !strings.Contains(body, line+"\n") {
				return false
			}
		}
		return true
	}, "the metrics")
	seen := g.topics["orders"].seen
	require.Positive(t, value(t, seen.fromStream))
	require.Equal(t, 5.0, value(t, seen.fromRing)+value(t, seen.fromStream))
}
