package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// serveOptions are what the command line of serve says.
type serveOptions struct {
	listen, adminListen string
	auth                string
	broker              brokerOptions
	gateway             gatewayOptions
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

const serveAbout = `Usage: fanout serve [flags]

Serves topics to WebSocket clients at ws://ADDRESS/ws. The messages are in NATS JetStream: in a
cluster that -nats names, or in a server that this program embeds.

`

// addBroker adds the flags that say where the broker is.
func (o *serveOptions) addBroker(flags *flag.FlagSet) {
	flags.StringVar(&o.broker.url, "nats", "",
		"the `URL` of a NATS server or cluster with JetStream; without it the program embeds a server")
	flags.StringVar(&o.broker.store, "store", "",
		"the `directory` of the embedded server; without it a temporary one, removed at the end")
}

func parseServe(args []string, stdout io.Writer) (*serveOptions, error) {
	o := &serveOptions{gateway: gatewayOptions{late: 10 * time.Second}}
	flags := flag.NewFlagSet("fanout serve", flag.ContinueOnError)
	var topics, origins list
	var replicas int
	var keep, ringBytes, window string
	var keepFor time.Duration
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8083", "the `address` for clients")
	flags.StringVar(&o.adminListen, "admin", "127.0.0.1:9082",
		"the `address` for operators: /metrics, /healthz, /readyz and /drain; not for clients")
	o.addBroker(flags)
	flags.Var(&topics, "topic", "a `name[:policy]`, again for each topic; the policy is all or latest\n"+
		"(default orders and prices:latest)")
	flags.IntVar(&replicas, "replicas", 1, "the `number` of servers on which a new stream is stored")
	flags.StringVar(&keep, "keep", "1GiB", "how many `bytes` a new stream keeps; 0 for no limit")
	flags.DurationVar(&keepFor, "keep-for", 0,
		"the `duration` for which a new stream keeps a message; 0 for no limit")
	flags.StringVar(&o.auth, "auth", "",
		"a `file` of tokens, or the URL of a hook that checks one; without it all is allowed")
	flags.Var(&origins, "origin", "an `origin` whose pages may connect, again for each")
	flags.IntVar(&o.gateway.ring, "ring", 4096, "the `number` of a topic's newest messages in memory")
	flags.StringVar(&ringBytes, "ring-bytes", "16MiB", "how many `bytes` these may have")
	flags.IntVar(&o.gateway.fetches, "fetches", 16,
		"the `number` of slow subscribers that are served concurrently")
	flags.StringVar(&window, "window", "16KiB", "how many `bytes` wait for a slow client in memory")
	flags.DurationVar(&o.gateway.wait, "drain-wait", 0,
		"the `duration` of a drain before the first connection is closed")
	flags.DurationVar(&o.gateway.spread, "drain-spread", 0,
		"the `duration` of a drain from the first connection to the last")
	if err := parseFlags(flags, args, stdout, serveAbout); err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for name, text := range map[string]string{
		"keep": keep, "ring-bytes": ringBytes, "window": window,
	} {
		n, err := humanize.ParseBytes(text)
		if err != nil || n > 1<<50 {
			return nil, fail(statusUsage, "-%s %s: not a number of bytes", name, text)
		}
		sizes[name] = int64(n)
	}
	o.gateway.ringBytes, o.gateway.window = int(sizes["ring-bytes"]), int(sizes["window"])
	o.gateway.origins = origins
	switch {
	case replicas < 1 || replicas > 5:
		return nil, fail(statusUsage, "-replicas %d: from 1 to 5", replicas)
	case replicas > 1 && o.broker.url == "":
		return nil, fail(statusUsage, "-replicas %d needs a cluster: see -nats", replicas)
	case o.gateway.ring < 1 || o.gateway.ringBytes < 1:
		return nil, fail(statusUsage, "-ring %d, -ring-bytes %s: at least 1", o.gateway.ring, ringBytes)
	case o.gateway.fetches < 1:
		return nil, fail(statusUsage, "-fetches %d: at least 1", o.gateway.fetches)
	case o.gateway.window < 1024:
		return nil, fail(statusUsage, "-window %s: at least 1 KiB", window)
	case o.broker.url != "" && o.broker.store != "":
		return nil, fail(statusUsage, "-store is for the embedded server: not with -nats")
	case o.gateway.wait < 0 || o.gateway.spread < 0 || keepFor < 0:
		return nil, fail(statusUsage, "a time must not be negative")
	}
	if len(topics) == 0 {
		topics = list{"orders", "prices:latest"}
	}
	made := topicConfig{replicas: replicas, maxBytes: sizes["keep"], maxAge: keepFor}
	if made.maxBytes == 0 {
		made.maxBytes = -1
	}
	var err error
	if o.gateway.topics, err = parseTopics(topics, made); err != nil {
		return nil, err
	}
	if o.gateway.hook, err = newHook(o.auth); err != nil {
		return nil, fail(statusUsage, "-auth: %w", err)
	}
	return o, nil
}

// parseTopics returns the topics of -topic. made says how a new stream is made.
func parseTopics(texts []string, made topicConfig) (topics []topicConfig, err error) {
	seen := map[string]bool{}
	for _, text := range texts {
		name, policy, given := strings.Cut(text, ":")
		if !given {
			policy = string(All)
		}
		made.name, made.policy = name, Policy(policy)
		switch {
		case !isName(name):
			return nil, fail(statusUsage, "-topic %s: a name has letters, digits, _ and -", text)
		case made.policy != All && made.policy != Latest:
			return nil, fail(statusUsage, "-topic %s: the policy is all or latest", text)
		case seen[name]:
			return nil, fail(statusUsage, "-topic %s: a topic is named twice", text)
		}
		seen[name] = true
		topics = append(topics, made)
	}
	return topics, nil
}

// serve runs a gateway until ctx ends.
func serve(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parseServe(args, stdout)
	if err != nil {
		return err
	}
	return withGateway(ctx, o, func(g *running) error {
		_, _ = fmt.Fprintf(stdout, "clients: ws://%s/ws\noperators: http://%s\n", g.clients, g.operators)
		return g.wait(ctx)
	})
}

// A running is a gateway that runs, and its addresses.
type running struct {
	*gateway
	clients, operators net.Addr
	wait               func(context.Context) error // until ctx ends, or a server has failed
}

// withGateway runs a gateway while run runs, and returns run's error.
func withGateway(ctx context.Context, o *serveOptions, run func(*running) error) (err error) {
	clients, err := listen(ctx, o.listen)
	if err != nil {
		return err
	}
	defer func() { _ = clients.Close() }()
	operators, err := listen(ctx, o.adminListen)
	if err != nil {
		return err
	}
	defer func() { _ = operators.Close() }()
	b, err := openBroker(ctx, o.broker)
	if err != nil {
		return err
	}
	defer b.close()
	g, err := newGateway(ctx, b, o.gateway)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	public := serveOn(smallBuffers{clients}, g.handler(), failed)
	admin := serveOn(operators, g.admin(), failed)
	defer func() {
		g.drain()
		late, stop := context.WithTimeout(context.Background(), o.gateway.late)
		defer stop()
		g.close(late)
		err = errors.Join(err, public(late), admin(late))
	}()
	return run(&running{g, clients.Addr(), operators.Addr(), func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		}
	}})
}

// listen listens on a TCP address.
func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &failure{statusAddress, err}
	}
	return l, nil
}

// serveOn serves h on a listener, and returns the function that ends that.
func serveOn(
	l net.Listener, h http.Handler, failed chan<- error,
) (stop func(context.Context) error) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return func(ctx context.Context) error {
		err := s.Shutdown(ctx)
		<-done
		return err
	}
}

// smallBuffers is a listener whose connections have a small buffer in the kernel, which otherwise
// grows to megabytes for each slow client.
type smallBuffers struct{ net.Listener }

// socketBuffer is the size of that buffer in bytes, of which the kernel uses a part itself.
const socketBuffer = 64 << 10

// Accept returns the next connection.
func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketBuffer) // else the buffer is larger
	}
	return c, err
}
