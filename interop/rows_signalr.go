package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/signalr"
	"github.com/wsstream/wsstream/interop/trial"
	"github.com/wsstream/wsstream/stream"
)

// signalrRows are the client of SignalR with a hub of ours.
func signalrRows() []*trial.Row {
	return []*trial.Row{{
		Name: "SignalR", Role: trial.Client, Core: true,
		Needs:   []trial.Need{node, npms, npm},
		Version: npmVersion("@microsoft/signalr"),
		Pitfalls: []string{
			"It takes what a hub sends, whatever its program does with it. Let the program ask for parts.",
			"It gives up after 30 s without a message of the hub, and does not count WebSocket's pings.",
			"It holds what its program sends without a limit while the hub does not read.",
		},
		Known: map[string]string{
			signalrNeighbours: "it sends the second as a value, and streams nothing to it. Put another " +
				"argument between them.",
		},
		Run: func(t *trial.T) {
			runSignalR(t, t.Start(nodeDir, nil, "node", "signalr.mjs"))
		},
	}}
}

const signalrNeighbours = "two streams side by side"

// A signalrSite is a hub of ours.
type signalrSite struct {
	url     string
	clients chan *signalr.Client
	stopped chan error                            // why a stream has ended
	release chan struct{}                         // lets the method Item go on
	items   chan int                              // what Item has got
	uploads chan stream.Readable[json.RawMessage] // what a client streams to Collect
}

func newSignalrSite(t *trial.T) *signalrSite {
	site := &signalrSite{
		clients: make(chan *signalr.Client, 8),
		stopped: make(chan error, 1),
		release: make(chan struct{}),
		items:   make(chan int, 1),
		uploads: make(chan stream.Readable[json.RawMessage], 1),
	}
	site.url = serveHTTP(t, &signalr.Hub{
		KeepAlive: 200 * time.Millisecond,
		Connected: func(_ context.Context, c *signalr.Client) { site.clients <- c },
		Methods: map[string]signalr.Method{
			"Add": func(_ context.Context, _ *signalr.Client, args signalr.Args) (any, error) {
				var a, b float64
				err := args.Scan(&a, &b)
				return a + b, err
			},
			"Echo": func(_ context.Context, _ *signalr.Client, args signalr.Args) (any, error) {
				return args.Values, nil
			},
			"Fail": func(context.Context, *signalr.Client, signalr.Args) (any, error) {
				return nil, errors.New("it is Monday")
			},
			"Item": site.item,
			"Sum": func(ctx context.Context, _ *signalr.Client, args signalr.Args) (any, error) {
				var sum int
				if err := args.Scan(&sum); err != nil {
					return nil, err
				}
				for _, items := range args.Items {
					for item, err := range stream.All(ctx, items) {
						var n int
						if err == nil {
							err = json.Unmarshal(item, &n)
						}
						if err != nil {
							return nil, err
						}
						sum += n
					}
				}
				return sum, nil
			},
			"First": func(ctx context.Context, _ *signalr.Client, args signalr.Args) (any, error) {
				return args.Items[0].Pull(ctx)
			},
			"Collect": func(_ context.Context, _ *signalr.Client, args signalr.Args) (any, error) {
				site.uploads <- args.Items[0]
				<-site.release
				return nil, nil
			},
		},
		Streams: map[string]signalr.Stream{
			"Echoes": func(ctx context.Context, _ *signalr.Client, args signalr.Args, send func(any) error) error {
				for item, err := range stream.All(ctx, args.Items[0]) {
					if err == nil {
						err = send(item)
					}
					if err != nil {
						return err
					}
				}
				return nil
			},
			"Count": func(_ context.Context, _ *signalr.Client, args signalr.Args, send func(any) error) error {
				var n int
				err := args.Scan(&n)
				for i := 0; i < n && err == nil; i++ {
					err = send(i)
				}
				return err
			},
			"Break": func(_ context.Context, _ *signalr.Client, _ signalr.Args, send func(any) error) error {
				return errors.Join(send(1), errors.New("the source is dry"))
			},
			"Endless": func(ctx context.Context, _ *signalr.Client, _ signalr.Args, send func(any) error) error {
				for ctx.Err() == nil {
					if err := send("more"); err != nil && ctx.Err() == nil {
						return err
					}
				}
				site.stopped <- ctx.Err()
				return nil
			},
		},
	})
	return site
}

// item holds up its client with the first item.
func (s *signalrSite) item(ctx context.Context, _ *signalr.Client, args signalr.Args) (any, error) {
	var n int
	var text string
	if err := args.Scan(&n, &text); err != nil {
		return nil, err
	}
	if n == 0 {
		select {
		case <-s.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case s.items <- n:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start connects the client.
func (s *signalrSite) start(t *trial.T, p *trial.Process) *signalr.Client {
	order(t, p, "stop") // what a check before this has left
	for len(s.clients) > 0 {
		<-s.clients
	}
	order(t, p, "start", strings.Replace(s.url, "ws", "http", 1))
	c := s.next(t)
	t.Cleanup(c.Conn().CloseNow)
	return c
}

func (s *signalrSite) next(t *trial.T) *signalr.Client {
	return trial.Take(t, s.clients, "the client did not come")
}

func runSignalR(t *trial.T, p *trial.Process) {
	site := newSignalrSite(t)
	stop := func() { order(t, p, "stop") }
	ok := t.Check("invocations", func(t *trial.T) {
		site.start(t, p)
		require.Equal(t, "3", order(t, p, "invoke", "Add", 1, 2))
		require.Equal(t, `["水",null,{"k":[true]}]`,
			order(t, p, "invoke", "Echo", "水", nil, map[string]any{"k": []any{true}}))
		stop()
	})
	if !ok {
		return
	}
	t.Check("errors", func(t *trial.T) {
		site.start(t, p)
		_, err := try(t, p, "invoke", "Fail")
		require.ErrorContains(t, err, "it is Monday")
		_, err = try(t, p, "invoke", "Nothing")
		require.ErrorContains(t, err, "Unknown hub method")
		_, err = try(t, p, "stream", "Break")
		require.ErrorContains(t, err, "the source is dry")
		require.Equal(t, "3", order(t, p, "invoke", "Add", 1, 2))
		stop()
	})
	t.Check("streams", func(t *trial.T) {
		site.start(t, p)
		require.Equal(t, "[0,1,2,3,4]", order(t, p, "stream", "Count", 5))
		require.Equal(t, "3", order(t, p, "cancel", "Endless", 3))
		err := trial.Take(t, site.stopped, "the stream went on after it was cancelled")
		require.ErrorIs(t, err, context.Canceled)
		stop()
	})
	t.Check("streams of the client", func(t *trial.T) {
		site.start(t, p)
		require.Equal(t, "21", order(t, p, "upload", "Sum", []int{1, 2, 3}, 11, []int{4}))
		require.Equal(t, `["a",null,{"b":1}]`, order(t, p, "both", "Echoes", []any{"a", nil, map[string]int{"b": 1}}))
		require.Equal(t, "5", order(t, p, "upload", "First", []int{5, 6, 7}))
		require.Equal(t, "3", order(t, p, "invoke", "Add", 1, 2), "what First left is dropped")
		_, err := try(t, p, "upload", "Sum", []any{1, "two"}, 0)
		require.ErrorContains(t, err, "cannot unmarshal")
		_, err = try(t, p, "uploadError", "Sum", "the sensor broke")
		require.ErrorContains(t, err, "the sensor broke")
		stop()
	})
	t.Check(signalrNeighbours, func(t *trial.T) {
		site.start(t, p)
		require.Equal(t, "21", order(t, p, "upload", "Sum", []int{1, 2, 3}, []int{4}, 11))
		stop()
	})
	t.Check("invocations of the client", func(t *trial.T) {
		c := site.start(t, p)
		since := p.Events()
		require.NoError(t, c.Send(t.Context(), "notify", "hello", 1))
		require.Equal(t, `notify: ["hello",1]`, awaitSay(t, p, since, "notify"))
		var sum int
		require.NoError(t, c.Invoke(t.Context(), &sum, "question", 1, 2))
		require.Equal(t, 3, sum)
		require.ErrorContains(t, c.Invoke(t.Context(), &sum, "trouble"), "no answer")
		stop()
	})
	t.Check("pings", func(t *trial.T) { // it gives up after three seconds without one
		site.start(t, p)
		pause(t, 5*time.Second)
		require.Equal(t, "3", order(t, p, "invoke", "Add", 1, 2))
		stop()
	})
	t.Check("reconnect after a cut", func(t *trial.T) {
		c := site.start(t, p)
		since := p.Events()
		c.Conn().CloseNow()
		awaitSay(t, p, since, "reconnected")
		site.next(t)
		require.Equal(t, "3", order(t, p, "invoke", "Add", 1, 2))
		stop()
	})
	t.Check("reconnect after a Close that allows it", func(t *trial.T) {
		c := site.start(t, p)
		since := p.Events()
		_ = c.Close(t.Context(), "the hub restarts", true) // it may cut, and not answer the Close
		awaitSay(t, p, since, "reconnected")
		site.next(t)
		stop()
	})
	t.Check("our end", func(t *trial.T) {
		c := site.start(t, p)
		since := p.Events()
		err := c.Close(t.Context(), "the hub ends", false)
		said := awaitSay(t, p, since, "closed")
		t.Note(battery.Closes, "ours 1000: it saw %s, we saw %v", said, err)
		require.Contains(t, said, "the hub ends")
	})
	t.Check("its end", func(t *trial.T) {
		c := site.start(t, p)
		stop()
		info, err := c.Conn().Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its end: we saw %v", info)
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		c := site.start(t, p)
		text := strings.Repeat("x", floodSize)
		floodTo(t, func(ctx context.Context, i int) error { return c.Send(ctx, "item", i, text) })
		require.NoError(t, c.Send(t.Context(), "sunk"))
		require.Equal(t, "1024", order(t, p, "items"))
		stop()
	})
	t.Check(battery.FloodFrom, func(t *trial.T) {
		site.start(t, p)
		since := p.Events()
		begin(t, p, "flood", "Item", floodCount, floodSize)
		first := true
		floodFrom(t, p, since, func(i int) {
			if first {
				first = false
				site.release <- struct{}{}
			}
			require.Equal(t, i, trial.Take(t, site.items, "an item is missing"))
		})
		stop()
	})
	t.Check("a stream of the client that is not pulled", func(t *trial.T) {
		c := site.start(t, p)
		since := p.Events()
		begin(t, p, "uploadFlood", "Collect", floodCount, floodSize)
		items := trial.Take(t, site.uploads, "the client did not stream")
		t.Note("its stream", "%s", stall(t, func() int { return p.Sent(since) }))
		require.Less(t, c.Conn().Stats().Received.Messages, int64(64), "the hub read on")
		for i := range floodCount {
			item, err := items.Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf(`"%04d`, i), string(item[:5]))
		}
		_, err := items.Pull(t.Context())
		require.Equal(t, io.EOF, err)
		site.release <- struct{}{}
		stop()
	})
	t.Check("killed", func(t *trial.T) {
		c := site.start(t, p)
		p.Kill()
		_, err := c.Conn().Closed().Wait(t.Context())
		require.Equal(t, 1006, wsstream.CloseCode(err))
	})
}
