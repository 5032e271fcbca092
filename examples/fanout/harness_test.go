package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/contract"
)

func TestMain(m *testing.M) {
	if args := os.Getenv(serveEnv); args != "" {
		os.Exit(run(context.Background(), strings.Fields(args), nil, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// A fixture is a broker, on which a test starts gateways.
type fixture struct {
	testing.TB
	url string
	js  jetstream.JetStream
	doc *contract.Document
}

// newFixture starts a broker.
func newFixture(t testing.TB) *fixture {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true,
		StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(patience))
	nc, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return &fixture{t, s.ClientURL(), js, contract.Open(t, "asyncapi.yaml")}
}

// gateway starts a gateway with more flags. It ends with the test, or when end is called.
func (f *fixture) gateway(flags ...string) (g *running, url string, end func()) {
	f.Helper()
	args := []string{"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-nats", f.url}
	args = append(args, flags...)
	o, err := parseServe(args, new(bytes.Buffer))
	require.NoError(f, err)
	ctx, stop := context.WithCancel(context.Background())
	up, done := make(chan *running), make(chan error, 1)
	go func() { // ends with end
		done <- withGateway(ctx, o, func(g *running) error {
			up <- g
			return g.wait(ctx)
		})
	}()
	end = sync.OnceFunc(func() {
		stop()
		require.NoError(f, <-done)
	})
	select {
	case g = <-up:
	case err := <-done:
		stop()
		require.NoError(f, err, "the gateway has not started")
	}
	f.Cleanup(end)
	return g, fmt.Sprintf("ws://%s/ws", g.clients), end
}

// publish puts messages into a topic, from number first to last. Each has its number as its
// payload, and one of ten keys.
func (f *fixture) publish(topic string, first, last int) {
	f.Helper()
	for i := first; i <= last; i++ {
		_, err := f.js.Publish(f.Context(), subjectOf(topic, fmt.Sprint("k", i%10)), fmt.Append(nil, i))
		require.NoError(f, err)
	}
}

// knows waits until a gateway has a message in its ring, and has dropped what has no room there.
func (f *fixture) knows(g *running, topic string, seq uint64) {
	f.Helper()
	f.fills(g.topics[topic], seq)
}

// fills waits until a topic's ring has message seq as its newest one.
func (f *fixture) fills(t *topic, seq uint64) {
	f.Helper()
	f.eventually(func() bool {
		_, head := t.ring.bounds()
		return head == seq
	}, "the ring has the message")
}

// slowly are the options of a client that keeps little unread.
var slowly = &wsstream.DialOptions{ReadWindow: 1024, NetDial: smallReceive(4 << 10)}

// A peer is a client that says and expects single messages, those of asyncapi.yaml.
type peer struct {
	testing.TB
	conn *wsstream.Conn
	doc  *contract.Document
}

// peer connects to a gateway.
func (f *fixture) peer(url string, o *wsstream.DialOptions) *peer {
	f.Helper()
	conn := wsstream.Dial(f.Context(), url, o)
	f.Cleanup(conn.CloseNow)
	_, err := conn.Opened().Wait(f.Context())
	require.NoError(f, err)
	return &peer{f.TB, conn, f.doc}
}

// send sends a message.
func (p *peer) send(v any) {
	p.Helper()
	m := frame(v)
	p.check(m)
	require.NoError(p, p.conn.Writable().Write(p.Context(), m))
}

// check checks a message against the one of its type in the document.
func (p *peer) check(m wsstream.Message) {
	p.Helper()
	var head struct{ Type string }
	require.NoError(p, json.Unmarshal(m.Data, &head))
	p.doc.Check(p, head.Type, m)
}

// next returns the gateway's next message, or its *Error.
func (p *peer) next() (any, error) {
	p.Helper()
	ctx, stop := context.WithTimeout(p.Context(), patience)
	defer stop()
	m, err := p.conn.Readable().Pull(ctx)
	require.NoError(p, err)
	p.check(m)
	return decode(m)
}

// want expects a message.
func (p *peer) want(v any) {
	p.Helper()
	got, err := p.next()
	require.NoError(p, err)
	require.Equal(p, v, got)
}

// wantError expects an Error with this code.
func (p *peer) wantError(code string) *Error {
	p.Helper()
	got, err := p.next()
	var e *Error
	require.ErrorAs(p, err, &e, "%v", got)
	require.Equal(p, code, e.Code, e.Text)
	return e
}

// wantMessages expects the messages that publish has put into a topic without holes.
func (p *peer) wantMessages(topic string, first, last int) {
	p.Helper()
	for i := first; i <= last; i++ {
		p.want(published(topic, i))
	}
}

// published is the message that publish has put into a topic under a number.
func published(topic string, i int) *Message {
	data := fmt.Sprint(i)
	return &Message{Type: typeMessage, Topic: topic, Seq: uint64(i), Key: fmt.Sprint("k", i%10),
		Data: &data}
}

// subscribe subscribes, and expects that it begins behind the number after.
func (p *peer) subscribe(s Subscribe, policy Policy, after uint64) {
	p.Helper()
	s.Type = typeSubscribe
	p.send(s)
	p.want(&Subscribed{typeSubscribed, s.Topic, policy, after})
}

// eventually waits until is returns true.
func (f *fixture) eventually(is func() bool, what string) {
	f.Helper()
	require.Eventually(f, is, patience, 5*time.Millisecond, what)
}
