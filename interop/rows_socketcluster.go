package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/socketcluster"
	"github.com/wsstream/wsstream/interop/trial"
)

// socketclusterRows are SocketCluster with our client, and its client with a server of ours.
func socketclusterRows() []*trial.Row {
	needs := []trial.Need{node, npms, npm}
	pitfalls := []string{
		"Its consumers are loops that may wait. It holds what comes meanwhile without a limit, and " +
			"only counts it (`getBackpressure`). Where a receiver is slow, call `Invoke`.",
		"Its ping is an empty message.",
	}
	return []*trial.Row{
		{
			Name: "SocketCluster", Role: trial.Server, Needs: needs, Pitfalls: pitfalls,
			Version: npmVersion("socketcluster-server"),
			Run: func(t *trial.T) {
				p := t.Start(nodeDir, nil, "node", "socketcluster.mjs", "server")
				url := p.URL(t)
				runSocketCluster(t, &clusterPeer{p: p, open: func(t *trial.T) *socketcluster.Socket {
					s, err := socketcluster.Dial(t.Context(), url, nil)
					require.NoError(t, err)
					return s
				}})
			},
		},
		{
			Name: "SocketCluster", Role: trial.Client, Needs: needs, Pitfalls: pitfalls,
			Version: npmVersion("socketcluster-client"),
			Run: func(t *trial.T) {
				p := t.Start(nodeDir, nil, "node", "socketcluster.mjs", "client")
				peer := &clusterPeer{p: p, server: &socketcluster.Server{PingInterval: 300 * time.Millisecond}}
				sockets := make(chan *socketcluster.Socket)
				peer.server.Serve = func(ctx context.Context, s *socketcluster.Socket) error {
					select {
					case sockets <- s:
						<-ctx.Done()
					case <-ctx.Done():
					}
					return nil
				}
				url := serveHTTP(t, peer.server) + "/socketcluster/"
				peer.open = func(t *trial.T) *socketcluster.Socket {
					p.Tell(t, "%s", url)
					return peer.again(t)
				}
				peer.again = func(t *trial.T) *socketcluster.Socket {
					return trial.Take(t, sockets, "the client did not come")
				}
				runSocketCluster(t, peer)
			},
		},
	}
}

// A clusterPeer connects with the peer: one of them is the client.
type clusterPeer struct {
	p      *trial.Process
	open   func(t *trial.T) *socketcluster.Socket
	server *socketcluster.Server                  // nil if the peer is the server
	again  func(t *trial.T) *socketcluster.Socket // the client's next connection
}

// A clusterLink is a socket in a check.
type clusterLink struct {
	*socketcluster.Socket
	t *trial.T
}

// opened returns a socket, which the peer ends at the end of the check: a client does not come
// again then.
func (c *clusterPeer) opened(t *trial.T) *clusterLink { return c.ending(t, c.open(t)) }

func (c *clusterPeer) ending(t *trial.T, s *socketcluster.Socket) *clusterLink {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.Transmit(ctx, "leave", nil) == nil {
			_, _ = s.Conn().Closed().Wait(ctx)
		}
		s.Conn().CloseNow()
	})
	return &clusterLink{s, t}
}

func (l *clusterLink) transmit(event string, data any) {
	require.NoError(l.t, l.Transmit(l.t.Context(), event, data))
}

func (l *clusterLink) pull(event string) socketcluster.Packet {
	p, err := l.Pull(l.t.Context())
	require.NoError(l.t, err)
	require.Equal(l.t, event, p.Event)
	return p
}

func (l *clusterLink) echo(v any) {
	want, err := json.Marshal(v)
	require.NoError(l.t, err)
	var got json.RawMessage
	require.NoError(l.t, l.Invoke(l.t.Context(), "echo", v, &got))
	require.JSONEq(l.t, string(want), string(got))
	l.transmit("back", v)
	require.JSONEq(l.t, string(want), string(l.pull("back").Data))
}

func runSocketCluster(t *trial.T, peer *clusterPeer) {
	ok := t.Check("handshake, invoke and transmit", func(t *trial.T) {
		l := peer.opened(t)
		l.echo(map[string]any{"k": []any{"水", 1, true}})
		l.echo(strings.Repeat("x", 100_000))
		require.ErrorContains(t, l.Invoke(t.Context(), "fail", nil, nil), "it is Monday")
		l.transmit("ask", []any{"sum", []int{1, 2}})
		p := l.pull("sum")
		var n [2]int
		require.NoError(t, json.Unmarshal(p.Data, &n))
		require.NoError(t, p.Reply(t.Context(), n[0]+n[1]))
		require.JSONEq(t, "3", string(l.pull("answer").Data))
	})
	if !ok {
		return
	}
	t.Check("publish and subscribe", func(t *trial.T) {
		l := peer.opened(t)
		if peer.server != nil {
			peer.publishes(t, l)
			return
		}
		require.NoError(t, l.Subscribe(t.Context(), "news"))
		other := peer.opened(t)
		require.NoError(t, other.Publish(t.Context(), "news", "it rains"))
		p := l.pull("#publish")
		require.Equal(t, "news", p.Channel)
		require.JSONEq(t, `"it rains"`, string(p.Data))
		require.NoError(t, l.Unsubscribe(t.Context(), "news"))
		require.NoError(t, other.Publish(t.Context(), "news", "it snows"))
		l.echo("nothing came before this")
	})
	t.Check("pings", func(t *trial.T) { // after each 300 ms
		l := peer.opened(t)
		l.echo("before them")
		before := l.Conn().Stats()
		pause(t, 1500*time.Millisecond)
		after := l.Conn().Stats()
		require.GreaterOrEqual(t, after.Received.Messages-before.Received.Messages, int64(3))
		require.GreaterOrEqual(t, after.Sent.Messages-before.Sent.Messages, int64(3))
		l.echo("after them")
	})
	t.Check("its end", func(t *trial.T) {
		l := peer.opened(t)
		l.echo("first")
		l.transmit("leave", nil)
		_, err := l.Pull(t.Context())
		require.Equal(t, 4001, wsstream.CloseCode(err))
		info, err := l.Conn().Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its 4001: we saw %v", info)
	})
	t.Check("our cut", func(t *trial.T) {
		l := peer.opened(t)
		l.echo("first")
		since := peer.p.Events()
		l.Conn().CloseNow()
		t.Note(battery.Closes, "our cut: it saw %s", awaitSay(t, peer.p, since, "disconnect"))
		if peer.again != nil {
			peer.ending(t, peer.again(t)).echo("the client has come again")
		}
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		l := peer.opened(t)
		text := strings.Repeat("x", floodSize)
		floodTo(t, func(ctx context.Context, i int) error { return l.Transmit(ctx, "item", []any{i, text}) })
		var n int
		require.NoError(t, l.Invoke(t.Context(), "sunk", floodCount, &n))
		require.Equal(t, floodCount, n)
	})
	t.Check(battery.FloodFrom, func(t *trial.T) {
		l := peer.opened(t)
		since := peer.p.Events()
		l.transmit("flood", []int{floodCount, floodSize})
		floodFrom(t, peer.p, since, func(i int) {
			var item []any
			require.NoError(t, json.Unmarshal(l.pull("item").Data, &item))
			require.EqualValues(t, i, item[0])
			require.Len(t, item[1], floodSize)
		})
	})
	t.Check("killed", func(t *trial.T) {
		l := peer.opened(t)
		l.echo("first")
		peer.p.Kill()
		_, err := l.Pull(t.Context())
		unclean(t, err)
	})
}

// publishes checks the channels of our server.
func (c *clusterPeer) publishes(t *trial.T, l *clusterLink) {
	other := c.opened(t)
	l.transmit("join", "news")
	l.pull("joined")
	other.transmit("publish", []string{"news", "it rains"})
	other.pull("published")
	require.JSONEq(t, `["news","it rains"]`, string(l.pull("heard").Data))
	require.NoError(t, c.server.Publish(t.Context(), "news", "from the server"))
	require.JSONEq(t, `["news","from the server"]`, string(l.pull("heard").Data))
}
