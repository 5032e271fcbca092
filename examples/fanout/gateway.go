package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wsstream/wsstream"
)

// gatewayOptions are those of a gateway.
type gatewayOptions struct {
	topics    []topicConfig
	hook      Hook
	origins   []string      // of pages that may connect
	ring      int           // messages of a topic in memory
	ringBytes int           // of them
	fetches   int           // direct gets that run concurrently
	window    int           // bytes that a connection may hold, each way
	wait      time.Duration // of a drain, until the first connection is closed
	spread    time.Duration // of a drain, from the first connection to the last
	late      time.Duration // behind a drain, for what the broker has not answered
}

// A gateway serves topics to WebSocket clients.
type gateway struct {
	options   gatewayOptions
	broker    *broker
	topics    map[string]*topic // constant
	positions *positions
	fetches   *fetches
	publishes chan struct{} // an element for each message that the broker has not acknowledged
	metrics   *metrics
	meter     wsstream.Meter
	accept    wsstream.Acceptor
	sessions  sync.Map // from *wsstream.Conn to *session

	draining atomic.Bool
	drain    func() // drains once, and returns when that is done
}

// newGateway opens the topics.
func newGateway(ctx context.Context, b *broker, o gatewayOptions) (*gateway, error) {
	kv, err := b.positions(ctx, o.topics[0].replicas)
	if err != nil {
		return nil, fmt.Errorf("the bucket of positions: %w", err)
	}
	g := &gateway{
		options: o, broker: b, topics: map[string]*topic{}, positions: newPositions(kv),
		fetches: newFetches(o.fetches), publishes: make(chan struct{}, publishesAtMost),
	}
	g.metrics = newMetrics(&g.meter)
	g.drain = sync.OnceFunc(g.drainOnce)
	g.accept.Options = wsstream.AcceptOptions{
		Subprotocols:   []string{Subprotocol},
		Origins:        o.origins,
		ReadWindow:     o.window,
		WriteWindow:    o.window,
		MaxMessageSize: longestMessage,
		Meter:          &g.meter,
		// A slow client reads a ping late: it is behind the data.
		PingInterval: 30 * time.Second,
		PongTimeout:  5 * time.Minute,
		// The end of a stall is what lets a slow subscriber go on, without a goroutine that waits.
		Trace: &wsstream.Trace{StallEnded: g.stallEnded},
	}
	for _, c := range o.topics {
		t, err := openTopic(ctx, g, c)
		if err != nil {
			g.options.wait = 0
			g.close(ctx)
			return nil, err
		}
		g.topics[c.name] = t
	}
	return g, nil
}

// stallEnded is called when a connection has credit again. The connection is locked.
func (g *gateway) stallEnded(c *wsstream.Conn, d wsstream.Direction, _ time.Duration) {
	if d != wsstream.Outbound {
		return
	}
	if s, ok := g.sessions.Load(c); ok {
		s.(*session).wake()
	}
}

// handler serves the clients.
func (g *gateway) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", g.connect)
	return mux
}

// connect accepts a client whose token the hook accepts. When it returns, the client costs no
// goroutine.
func (g *gateway) connect(w http.ResponseWriter, r *http.Request) {
	if g.draining.Load() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the gateway drains", http.StatusServiceUnavailable)
		return
	}
	grant, err := g.options.hook(r.Context(), tokenOf(r))
	switch {
	case errors.Is(err, errRefused):
		g.metrics.refused.Inc()
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	case err != nil:
		http.Error(w, "the token cannot be checked now", http.StatusServiceUnavailable)
		return
	}
	conn, err := g.accept.Accept(w, r)
	if err != nil {
		return // Accept has answered
	}
	s := &session{gateway: g, conn: conn, grant: grant}
	g.sessions.Store(conn, s)
	_ = conn.Readable().Handle(s.handle, s.end) // fails for a second handler only
}

// admin serves the operators and their tools. It is not for clients.
func (g *gateway) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := g.unready(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	drain := func(w http.ResponseWriter, _ *http.Request) {
		g.drain()
		_, _ = fmt.Fprintln(w, "drained")
	}
	mux.HandleFunc("POST /drain", drain)
	mux.HandleFunc("GET /drain", drain) // the preStop hook of Kubernetes can only GET
	return mux
}

// unready returns why no new clients should come, or nothing.
func (g *gateway) unready() string {
	switch {
	case g.draining.Load():
		return "draining"
	case !g.broker.nc.IsConnected():
		return "no connection to the broker"
	}
	return ""
}

// goingAway is what clients get when the gateway drains.
var goingAway = wsstream.CloseInfo{Code: 1001, Reason: "the gateway drains: connect again"}

// lateAtMost is how long the last connections of a drain have.
const lateAtMost = 10 * time.Second

// drainOnce closes all connections. New ones get 503. It spreads the closes over some time, so that
// the other gateways get the clients little by little.
func (g *gateway) drainOnce() {
	g.draining.Store(true)
	<-time.After(g.options.wait)
	conns := slices.Collect(g.accept.All())
	began := time.Now()
	for i, c := range conns {
		at := g.options.spread * time.Duration(i) / time.Duration(len(conns))
		if d := at - time.Since(began); d > time.Millisecond {
			<-time.After(d)
		}
		_ = c.Close(goingAway) // the code and the reason may be sent
	}
	ctx, stop := context.WithTimeout(context.Background(), lateAtMost)
	defer stop()
	_ = g.accept.Shutdown(ctx) // cuts what does not end
}

// close drains, and ends all goroutines of the gateway. It waits until the broker has answered all
// that clients have published, or ctx ends.
func (g *gateway) close(ctx context.Context) {
	g.drain()
	for range cap(g.publishes) {
		select {
		case g.publishes <- struct{}{}:
		case <-ctx.Done():
		}
	}
	g.positions.close(ctx)
	for _, t := range g.topics {
		t.close()
	}
	g.fetches.close()
}
