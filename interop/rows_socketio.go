package main

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/socketio"
	"github.com/wsstream/wsstream/interop/trial"
)

// socketioRows are Socket.IO with our client, and its client with a server of ours.
func socketioRows() []*trial.Row {
	needs := []trial.Need{node, npms, npm}
	return []*trial.Row{
		{
			Name: "Socket.IO", Role: trial.Server, Core: true, Needs: needs,
			Version:  npmVersion("socket.io"),
			Pitfalls: socketioPitfalls,
			Run: func(t *trial.T) {
				p := t.Start(nodeDir, nil, "node", "socketio.mjs", "server")
				runSocketIO(t, &socketioServer{p, p.URL(t)})
			},
		},
		{
			Name: "Socket.IO", Role: trial.Client, Needs: needs,
			Version:  npmVersion("socket.io-client"),
			Pitfalls: socketioPitfalls,
			Run: func(t *trial.T) {
				p := t.Start(nodeDir, nil, "node", "socketio.mjs", "client")
				runSocketIO(t, newSocketioSite(t, p))
			},
		},
		{
			Name: "Flask-SocketIO", Role: trial.Server,
			Needs:    []trial.Need{trial.Packages("python3-flask-socketio", "python3-eventlet")},
			Version:  debianPython("flask-socketio"),
			Pitfalls: socketioPitfalls[1:],
			Run: func(t *trial.T) {
				p := t.Start("peers/python", nil, systemPython, "flask_socketio_server.py")
				runSocketIO(t, &socketioServer{p, p.URL(t)})
			},
		},
	}
}

var socketioPitfalls = []string{
	"It calls the next handler while the last one waits, so it takes what comes. Where a receiver " +
		"is slow, wait for acknowledgements: `Call` instead of `Emit`.",
	"Engine.IO's ping is a message. A program that pulls nothing for 45 s is cut off.",
}

// A socketioPeer joins a namespace with the peer: one of them is the client.
type socketioPeer interface {
	join(t *trial.T, namespace, token string) (*socketio.Socket, error)
	process() *trial.Process
}

// A socketioServer is the peer as the server.
type socketioServer struct {
	p   *trial.Process
	url string
}

func (s *socketioServer) process() *trial.Process { return s.p }

func (s *socketioServer) join(t *trial.T, namespace, token string) (*socketio.Socket, error) {
	client, err := socketio.Dial(t.Context(), s.url, &wsstream.DialOptions{MaxMessageSize: 4 << 20})
	require.NoError(t, err)
	t.Cleanup(client.Conn().CloseNow)
	return client.Join(t.Context(), namespace, map[string]any{"token": token})
}

// A socketioSite is a server of ours, which the peer dials.
type socketioSite struct {
	p      *trial.Process
	url    string
	joined chan *socketio.Socket
}

func newSocketioSite(t *trial.T, p *trial.Process) *socketioSite {
	site := &socketioSite{p: p, joined: make(chan *socketio.Socket, 1)}
	site.url = serveHTTP(t, &socketio.Server{
		PingInterval: 300 * time.Millisecond,
		Options:      wsstream.AcceptOptions{MaxMessageSize: 4 << 20},
		Allow: func(s *socketio.Socket) error {
			if s.Namespace != "/" && s.Auth["token"] != "secret" {
				return errors.New("not you")
			}
			return nil
		},
		Serve: func(_ context.Context, s *socketio.Socket) error {
			site.joined <- s
			<-s.Done()
			return nil
		},
	})
	return site
}

func (s *socketioSite) process() *trial.Process { return s.p }

func (s *socketioSite) join(t *trial.T, namespace, token string) (*socketio.Socket, error) {
	since := s.p.Events()
	s.p.Tell(t, "%s %s %s", s.url, namespace, token)
	e := s.p.Await(t, since, "its connection", func(e trial.Event) bool {
		return e.Say == "connect" || strings.HasPrefix(e.Say, "refused")
	})
	if e.Say != "connect" {
		return nil, errors.New(e.Say)
	}
	return s.next(t), nil
}

// next returns the next socket of the client.
func (s *socketioSite) next(t *trial.T) *socketio.Socket {
	return trial.Take(t, s.joined, "the client did not come")
}

// A socketioLink is a socket in a check.
type socketioLink struct {
	*socketio.Socket
	t *trial.T
}

func openSocketIO(t *trial.T, peer socketioPeer) *socketioLink {
	s, err := peer.join(t, "/", "")
	require.NoError(t, err)
	return closing(t, s)
}

// closing lets the client leave at the end of the check, so that it does not come again.
func closing(t *trial.T, s *socketio.Socket) *socketioLink {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Leave(ctx)
		_ = s.Conn().Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
	})
	return &socketioLink{s, t}
}

func (s *socketioLink) emit(name string, args ...any) {
	require.NoError(s.t, s.Emit(s.t.Context(), name, args...))
}

// pull returns the next event, which must have that name.
func (s *socketioLink) pull(name string) socketio.Event {
	e, err := s.Pull(s.t.Context())
	require.NoError(s.t, err)
	require.Equal(s.t, name, e.Name)
	return e
}

func (s *socketioLink) echo(args ...any) {
	s.emit("echo", args...)
	require.True(s.t, reflect.DeepEqual(args, s.pull("echo").Args), "the event has other arguments")
	reply, err := s.Call(s.t.Context(), "give", args...)
	require.NoError(s.t, err)
	require.True(s.t, reflect.DeepEqual(args, reply), "the acknowledgement has other arguments")
}

func runSocketIO(t *trial.T, peer socketioPeer) {
	p := peer.process()
	ok := t.Check("events and acknowledgements", func(t *trial.T) {
		s := openSocketIO(t, peer)
		s.echo("hello", 1.5, true, nil, []any{"水"}, map[string]any{"k": "v"})
		s.emit("ask", "sum", 1, 2)
		e := s.pull("sum")
		require.NoError(t, e.Ack(t.Context(), e.Args[0].(float64)+e.Args[1].(float64)))
		require.Equal(t, []any{3.0}, s.pull("answer").Args)
	})
	if !ok {
		return
	}
	t.Check("binary attachments", func(t *trial.T) {
		s := openSocketIO(t, peer)
		s.echo([]byte(nil), []byte{0, 1, 255}, map[string]any{"deep": []any{make([]byte, 1<<20)}}, "text")
	})
	t.Check("200 events that cross", func(t *trial.T) {
		s := openSocketIO(t, peer)
		written := make(chan error, 1)
		go func() { // ends with its writes, or with the connection
			for i := range 200 {
				if err := s.Emit(t.Context(), "echo", i, []byte{byte(i)}); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		for i := range 200 {
			require.Equal(t, []any{float64(i), []byte{byte(i)}}, s.pull("echo").Args)
		}
		require.NoError(t, <-written)
	})
	t.Check("namespaces", func(t *trial.T) {
		_, err := peer.join(t, "/admin", "guess")
		require.ErrorContains(t, err, "not you")
		s, err := peer.join(t, "/admin", "secret")
		require.NoError(t, err)
		closing(t, s).echo("admin")
	})
	t.Check("heartbeat", func(t *trial.T) { // a message each way after each 300 ms
		s := openSocketIO(t, peer)
		s.echo("before them")
		before := s.Conn().Stats()
		pause(t, 1500*time.Millisecond)
		after := s.Conn().Stats()
		require.GreaterOrEqual(t, after.Received.Messages-before.Received.Messages, int64(3))
		require.GreaterOrEqual(t, after.Sent.Messages-before.Sent.Messages, int64(3))
		s.echo("after them")
	})
	t.Check("its disconnect", func(t *trial.T) {
		s := openSocketIO(t, peer)
		s.emit("leave")
		_, err := s.Pull(t.Context())
		require.ErrorIs(t, err, io.EOF)
	})
	t.Check("our disconnect", func(t *trial.T) {
		since := p.Events()
		s := openSocketIO(t, peer)
		require.NoError(t, s.Leave(t.Context()))
		t.Note("our disconnect", "it saw %q", awaitSay(t, p, since, "disconnect"))
	})
	t.Check("our cut", func(t *trial.T) {
		since := p.Events()
		s := openSocketIO(t, peer)
		s.Conn().CloseNow()
		t.Note("our cut", "it saw %q", awaitSay(t, p, since, "disconnect"))
		if site, ok := peer.(*socketioSite); ok {
			again := closing(t, site.next(t))
			again.echo("the client has come again")
		}
	})
	t.Check("its end of the transport", func(t *trial.T) {
		s := openSocketIO(t, peer)
		s.emit("cut")
		_, err := s.Pull(t.Context())
		require.Error(t, err)
		info, closedErr := s.Conn().Closed().Wait(t.Context())
		require.NoError(t, closedErr)
		t.Note(battery.Closes, "its end: we saw %v", info)
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		s := openSocketIO(t, peer)
		piece := make([]byte, floodSize)
		floodTo(t, func(ctx context.Context, i int) error { return s.Emit(ctx, "item", i, piece) })
		s.emit("sunk")
		require.Equal(t, []any{float64(floodCount)}, s.pull("sunk").Args)
	})
	t.Check(battery.FloodFrom, func(t *trial.T) {
		s := openSocketIO(t, peer)
		since := p.Events()
		s.emit("flood", floodCount, floodSize)
		floodFrom(t, p, since, func(i int) {
			e := s.pull("item")
			require.EqualValues(t, i, e.Args[0])
			require.Len(t, e.Args[1], floodSize)
		})
		s.pull("flooded")
	})
	t.Check("killed", func(t *trial.T) {
		s := openSocketIO(t, peer)
		p.Kill()
		_, err := s.Pull(t.Context())
		unclean(t, err)
	})
}
