package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/graphqlws"
	"github.com/wsstream/wsstream/interop/stomp"
	"github.com/wsstream/wsstream/interop/trial"
)

// messageRows are clients of smaller protocols with a server of ours.
func messageRows() []*trial.Row {
	needs := []trial.Need{node, npms, npm}
	return []*trial.Row{
		{
			Name: "graphql-ws", Role: trial.Client, Needs: needs,
			Version: npmVersion("graphql-ws"),
			Run:     func(t *trial.T) { runGraphQL(t, t.Start(nodeDir, nil, "node", "graphqlws.mjs")) },
		},
		{
			Name: "STOMP (stompjs)", Role: trial.Client, Needs: needs,
			Version: npmVersion("@stomp/stompjs"),
			Known: map[string]string{
				stompEscapes: "it replaces one escape after the other, and makes a colon of `\\\\c`.",
			},
			Run: func(t *trial.T) { runSTOMP(t, t.Start(nodeDir, nil, "node", "stomp.mjs")) },
		},
	}
}

// connections gives the Conns of a server of ours to a check.
type connections chan *wsstream.Conn

// trace returns the hook that notes each connection.
func (c connections) trace() *wsstream.Trace {
	return &wsstream.Trace{Handshake: func(bool) func(*wsstream.Conn, wsstream.Opened, error) {
		return func(conn *wsstream.Conn, _ wsstream.Opened, err error) {
			if err == nil {
				c <- conn
			}
		}
	}}
}

func (c connections) next(t *trial.T) *wsstream.Conn {
	return trial.Take(t, c, "the client did not come")
}

func runGraphQL(t *trial.T, p *trial.Process) {
	conns := make(connections, 8)
	stopped := make(chan error, 1)
	url := serveHTTP(t, &graphqlws.Server{
		Options: wsstream.AcceptOptions{Trace: conns.trace()},
		Run: func(ctx context.Context, payload json.RawMessage, send func(any) error) error {
			var o struct{ Query string }
			if err := json.Unmarshal(payload, &o); err != nil {
				return err
			}
			switch o.Query {
			case "{ hello }":
				return send(map[string]any{"data": map[string]string{"hello": "水"}})
			case "subscription { count }":
				for i := range 3 {
					if err := send(map[string]any{"data": map[string]int{"count": i}}); err != nil {
						return err
					}
				}
				return nil
			case "subscription { endless }":
				for ctx.Err() == nil {
					if err := send(map[string]any{"data": 1}); err != nil && ctx.Err() == nil {
						return err
					}
				}
				stopped <- ctx.Err()
				return nil
			default:
				return errors.New("Syntax Error") //nolint:staticcheck // as GraphQL says it
			}
		},
	})
	ok := t.Check("queries and subscriptions", func(t *trial.T) {
		order(t, p, "open", url)
		conns.next(t)
		require.JSONEq(t, `[{"hello":"水"}]`, order(t, p, "query", "{ hello }", -1))
		require.Equal(t, `[{"count":0},{"count":1},{"count":2}]`, order(t, p, "query", "subscription { count }", -1))
		_, err := try(t, p, "query", "{", -1)
		require.ErrorContains(t, err, "Syntax Error")
	})
	if !ok {
		return
	}
	t.Check("its complete ends a subscription", func(t *trial.T) {
		require.Equal(t, "[1,1]", order(t, p, "query", "subscription { endless }", 2))
		require.ErrorIs(t, trial.Take(t, stopped, "the operation went on"), context.Canceled)
	})
	t.Check("its pings", func(t *trial.T) { awaitSay(t, p, p.Events(), "pong") })
	t.Check("connects again after a cut", func(t *trial.T) {
		since := p.Events()
		order(t, p, "close")
		order(t, p, "open", url)
		conn := conns.next(t)
		awaitSay(t, p, since, "connected")
		since = p.Events()
		conn.CloseNow()
		awaitSay(t, p, since, "closed")
		conn = conns.next(t)
		require.JSONEq(t, `[{"hello":"水"}]`, order(t, p, "query", "{ hello }", -1))
		order(t, p, "close")
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its end: we saw %v", info)
	})
}

const stompEscapes = `a header with a backslash and a "c"`

func runSTOMP(t *trial.T, p *trial.Process) {
	conns := make(connections, 8)
	broker := &stomp.Broker{
		HeartBeat: 100 * time.Millisecond,
		Options:   wsstream.AcceptOptions{Trace: conns.trace()},
	}
	url := serveHTTP(t, http.HandlerFunc(broker.ServeHTTP))
	ok := t.Check("subscribe, send and receipts", func(t *trial.T) {
		require.Equal(t, `"1.2"`, order(t, p, "open", url))
		order(t, p, "subscribe", "/topic/a")
		since := p.Events()
		order(t, p, "publish", "/topic/a", "hello 水\x00\nafter a zero", "a:b")
		require.Equal(t, `message: ["/topic/a","hello 水\u0000\nafter a zero","a:b"]`, awaitSay(t, p, since, "message"))
		since = p.Events()
		body := strings.Repeat("x", 200_000)
		require.NoError(t, broker.Send(t.Context(), "/topic/a", map[string]string{"destination": "/topic/a"}, []byte(body)))
		require.Equal(t, fmt.Sprintf(`message: ["/topic/a","%s",null]`, body), awaitSay(t, p, since, "message"))
	})
	if !ok {
		return
	}
	t.Check(stompEscapes, func(t *trial.T) {
		since := p.Events()
		order(t, p, "publish", "/topic/a", "", `a\c`)
		require.Equal(t, `message: ["/topic/a","","a\\c"]`, awaitSay(t, p, since, "message"))
	})
	t.Check("heartbeats", func(t *trial.T) { // it cuts after 400 ms without one
		since := p.Events()
		pause(t, 1500*time.Millisecond)
		order(t, p, "publish", "/topic/none", "still there", "")
		p.Await(t, since, "its publication", func(e trial.Event) bool {
			require.NotContains(t, e.Say, "closed")
			return strings.HasPrefix(e.Say, "publish")
		})
	})
	t.Check("connects again after a cut", func(t *trial.T) {
		since := p.Events()
		conns.next(t).CloseNow()
		awaitSay(t, p, since, "connected")
		conn := conns.next(t)
		order(t, p, "publish", "/topic/none", "again", "")
		order(t, p, "close")
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its end: we saw %v", info)
	})
}
