package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/phoenix"
	"github.com/wsstream/wsstream/interop/trial"
)

// phoenixRows are the clients of Phoenix with a server of ours.
func phoenixRows() []*trial.Row {
	needs := []trial.Need{node, npms, npm}
	return []*trial.Row{
		{
			Name: "Phoenix Channels", Role: trial.Client, Needs: needs,
			Version: npmVersion("phoenix"),
			Pitfalls: []string{
				"It takes what a server pushes, and holds what its program pushes, without a limit. " +
					"Wait for replies.",
				"Its heartbeat is a message. Behind a window of unread messages the server does not see " +
					"it, and after a minute the client connects again.",
			},
			Run: func(t *trial.T) { runPhoenix(t, t.Start(nodeDir, nil, "node", "phoenix.mjs")) },
		},
		{
			Name: "Phoenix LiveView", Role: trial.Client, Needs: needs,
			Version: npmVersion("phoenix_live_view"),
			Run:     func(t *trial.T) { runLiveView(t, t.Start(nodeDir, nil, "node", "liveview.mjs")) },
		},
	}
}

// A phoenixSite is a server of ours. Its topics are "room:NAME".
type phoenixSite struct {
	url      string
	channels chan *phoenix.Channel
	release  chan struct{} // lets the channel go on with a flood
	items    chan int      // of a flood to us
}

func newPhoenixSite(t *trial.T) *phoenixSite {
	site := &phoenixSite{
		channels: make(chan *phoenix.Channel, 8),
		release:  make(chan struct{}),
		items:    make(chan int, 1),
	}
	site.url = serveHTTP(t, &phoenix.Server{Join: site.join}) + "/socket"
	return site
}

var errCrash = errors.New("the channel has crashed")

func (s *phoenixSite) join(_ context.Context, topic string, params json.RawMessage) (phoenix.Joined, error) {
	if !strings.HasPrefix(topic, "room:") {
		return phoenix.Joined{}, errors.New("no such room")
	}
	return phoenix.Joined{Response: params, Serve: s.serve}, nil
}

func (s *phoenixSite) serve(ctx context.Context, ch *phoenix.Channel) error {
	s.channels <- ch
	for {
		m, err := ch.Pull(ctx)
		if err != nil {
			return nil //nolint:nilerr // the client has left
		}
		switch {
		case m.Event == "crash":
			return errCrash
		case m.Event == "refuse":
			err = m.Reply(ctx, "error", map[string]string{"reason": "not today"})
		case m.Event == "item":
			n := int(binary.BigEndian.Uint32(m.Binary))
			if n == 0 {
				<-s.release
			}
			s.items <- n
			err = m.Reply(ctx, "ok", nil)
		case m.Binary != nil:
			err = m.Reply(ctx, "ok", m.Binary)
		default:
			err = m.Reply(ctx, "ok", m.Payload)
		}
		if err != nil {
			return err
		}
	}
}

func (s *phoenixSite) next(t *trial.T) *phoenix.Channel {
	return trial.Take(t, s.channels, "the client did not join")
}

// joined connects the client and lets it join a room.
func (s *phoenixSite) joined(t *trial.T, p *trial.Process) *phoenix.Channel {
	return s.beating(t, p, 30*time.Second)
}

// beating is joined with a heartbeat.
func (s *phoenixSite) beating(t *trial.T, p *trial.Process, d time.Duration) *phoenix.Channel {
	order(t, p, "connect", s.url, d.Milliseconds())
	require.JSONEq(t, `{"k":"v"}`, order(t, p, "join", "room:1", map[string]string{"k": "v"}))
	return s.next(t)
}

func runPhoenix(t *trial.T, p *trial.Process) {
	site := newPhoenixSite(t)
	ok := t.Check("join and push", func(t *trial.T) {
		ch := site.joined(t, p)
		require.JSONEq(t, `{"a":["水",1]}`, order(t, p, "push", "echo", map[string]any{"a": []any{"水", 1}}))
		_, err := try(t, p, "push", "refuse", map[string]any{})
		require.ErrorContains(t, err, "not today")
		since := p.Events()
		require.NoError(t, ch.Push(t.Context(), "notify", map[string]int{"n": 1}))
		require.Equal(t, `notify: [{"n":1}]`, awaitSay(t, p, since, "notify"))
		order(t, p, "leave")
		_, err = try(t, p, "join", "elsewhere", nil)
		require.ErrorContains(t, err, "no such room")
		order(t, p, "disconnect")
	})
	if !ok {
		return
	}
	t.Check("binary push", func(t *trial.T) {
		ch := site.joined(t, p)
		require.Equal(t, "[0,1,255]", order(t, p, "pushBytes", "echo", []int{0, 1, 255}))
		since := p.Events()
		require.NoError(t, ch.Push(t.Context(), "notify", []byte{0, 254}))
		require.Equal(t, "notify: [[0,254]]", awaitSay(t, p, since, "notify"))
		order(t, p, "disconnect")
	})
	t.Check("heartbeat", func(t *trial.T) { // the client cuts if one has no answer before the next
		ch := site.beating(t, p, 200*time.Millisecond)
		before := ch.Conn().Stats()
		pause(t, floodPause/3)
		after := ch.Conn().Stats()
		require.GreaterOrEqual(t, after.Received.Messages-before.Received.Messages, int64(3))
		require.Equal(t, "{}", order(t, p, "push", "echo", struct{}{}))
		require.Empty(t, site.channels, "the client has joined again")
		order(t, p, "disconnect")
	})
	t.Check("rejoin after a cut", func(t *trial.T) {
		ch := site.joined(t, p)
		since := p.Events()
		ch.Conn().CloseNow()
		awaitSay(t, p, since, "joined")
		site.next(t)
		require.Equal(t, "{}", order(t, p, "push", "echo", struct{}{}))
		order(t, p, "disconnect")
	})
	t.Check("rejoin after a crash of the channel", func(t *trial.T) {
		site.joined(t, p)
		since := p.Events()
		begin(t, p, "push", "crash", struct{}{})
		awaitSay(t, p, since, "joined")
		site.next(t)
		require.Equal(t, "{}", order(t, p, "push", "echo", struct{}{}))
		order(t, p, "disconnect")
	})
	t.Check("its end", func(t *trial.T) {
		ch := site.joined(t, p)
		order(t, p, "disconnect")
		info, err := ch.Conn().Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its end: we saw %v", info)
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		ch := site.joined(t, p)
		floodTo(t, func(ctx context.Context, i int) error {
			return ch.Push(ctx, "item", binary.BigEndian.AppendUint32(make([]byte, 0, floodSize), uint32(i))[:floodSize])
		})
		require.Equal(t, "{}", order(t, p, "push", "echo", struct{}{}))
		require.Equal(t, "1024", order(t, p, "items"))
		order(t, p, "disconnect")
	})
	t.Check(battery.FloodFrom, func(t *trial.T) {
		site.joined(t, p)
		since := p.Events()
		begin(t, p, "flood", floodCount, floodSize)
		first := true
		floodFrom(t, p, since, func(i int) {
			if first {
				first = false
				site.release <- struct{}{}
			}
			require.Equal(t, i, trial.Take(t, site.items, "an item is missing"))
		})
		order(t, p, "disconnect")
	})
	t.Check("killed", func(t *trial.T) {
		ch := site.joined(t, p)
		p.Kill()
		_, err := ch.Conn().Closed().Wait(t.Context())
		require.Equal(t, 1006, wsstream.CloseCode(err))
	})
}

// counterPage is what a browser gets before LiveView connects.
const counterPage = `<!doctype html><title>Counter</title>
<div id="phx-counter" data-phx-main data-phx-session="none" data-phx-static="none"></div>`

func runLiveView(t *trial.T, p *trial.Process) {
	joined := make(chan *phoenix.Channel, 8)
	live := &phoenix.Server{Join: func(context.Context, string, json.RawMessage) (phoenix.Joined, error) {
		n := 0
		view := (&phoenix.Live{
			Template: []string{`<p>Clicked `, ` times by `, `.</p><button phx-click="add" phx-value-n="2">+</button>`},
			Values:   func() []string { return []string{strconv.Itoa(n), "a page"} },
			Event: func(_ string, value json.RawMessage) error {
				var v struct{ N string }
				err := json.Unmarshal(value, &v)
				if add, _ := strconv.Atoi(v.N); err == nil {
					n += add
				}
				return err
			},
		}).Joined()
		serve := view.Serve
		view.Serve = func(ctx context.Context, ch *phoenix.Channel) error {
			joined <- ch
			return serve(ctx, ch)
		}
		return view, nil
	}}
	mux := http.NewServeMux()
	mux.Handle("/live/websocket", live)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(counterPage))
	})
	url := serveHTTP(t, mux)
	var ch *phoenix.Channel
	next := func(t *trial.T) {
		ch = trial.Take(t, joined, "the page did not join")
	}
	ok := t.Check("join and render", func(t *trial.T) {
		order(t, p, "open", strings.Replace(url, "ws", "http", 1)+"/")
		next(t)
		require.Contains(t, order(t, p, "shown", "Clicked 0 times"), "by a page")
	})
	if !ok {
		return
	}
	t.Check("a click and its diff", func(t *trial.T) {
		sent := ch.Conn().Stats().Sent.Bytes
		order(t, p, "click", "button")
		require.Contains(t, order(t, p, "shown", "Clicked 2 times"), "by a page")
		t.Note("a click", "%d bytes sent", ch.Conn().Stats().Sent.Bytes-sent)
		order(t, p, "click", "button")
		order(t, p, "shown", "Clicked 4 times")
	})
	t.Check("rejoin after a cut", func(t *trial.T) {
		ch.Conn().CloseNow()
		next(t)
		order(t, p, "shown", "Clicked 0 times")
		order(t, p, "click", "button")
		order(t, p, "shown", "Clicked 2 times")
	})
}
