package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream/examples/internal/console"
)

// A demonstration is one topic, fast clients and a slow one.
type demonstration struct {
	fast   int           // clients that keep up
	rate   float64       // of the publisher, messages a second
	slow   float64       // of the slow client
	length time.Duration // 0: until an interrupt

	before    uint64        // the number of the newest message at the start
	published atomic.Uint64 // the number of the newest message
	clients   []*taker      // the fast ones, and the slow one at the end
}

// A taker counts what a client has taken.
type taker struct {
	before uint64
	taken  atomic.Uint64
	wrong  atomic.Bool // a message was not the next one
}

func (t *taker) take(m *Message) {
	if t.taken.Add(1) != m.Seq-t.before {
		t.wrong.Store(true)
	}
}

// has reports whether the client has the messages up to a number, each once and in order.
func (t *taker) has(seq uint64) bool { return t.before+t.taken.Load() >= seq && !t.wrong.Load() }

// demo is the command without a name.
func demo(ctx context.Context, args []string, stdout io.Writer) error {
	d, o := &demonstration{}, &serveOptions{listen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
	flags := flag.NewFlagSet("fanout", flag.ContinueOnError)
	o.addBroker(flags)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8083", "the `address` for more clients")
	flags.IntVar(&d.fast, "clients", 100, "the `number` of clients that keep up")
	flags.Float64Var(&d.rate, "rate", 500, "the `number` of messages published a second")
	flags.Float64Var(&d.slow, "slow", 50, "the `number` of messages that the slow client takes a second")
	flags.DurationVar(&d.length, "for", 0, "the `duration` of the demonstration; 0 for until an interrupt")
	if err := parseFlags(flags, args, stdout, demoAbout); err != nil {
		return err
	}
	if d.fast < 0 || d.rate <= 0 || d.slow <= 0 || d.length < 0 {
		return fail(statusUsage, "-clients and -for must not be negative, -rate and -slow must be positive")
	}
	serving, err := parseServe([]string{"-topic", demoTopic, "-ring", "512"}, stdout)
	if err != nil {
		return err
	}
	o.gateway = serving.gateway
	if d.length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, d.length)
		defer stop()
	}
	return withGateway(ctx, o, func(g *running) error { return d.run(ctx, g, stdout) })
}

const (
	demoTopic   = "ticks"
	demoPayload = 1000     // bytes
	demoBuffer  = 64 << 10 // bytes that wait for the slow client in it, and in its kernel
	demoWait    = 5 * time.Second
)

// run shows the rates until ctx ends, and then what each client has.
func (d *demonstration) run(ctx context.Context, g *running, stdout io.Writer) error {
	url := fmt.Sprintf("ws://%s/ws", g.clients)
	printf(stdout, "a broker, a gateway at %s, %s and a slow one\n"+
		"listen, too: go run ./examples/fanout listen %s %s\n\n",
		url, english.Plural(d.fast, "fast client", ""), url, demoTopic)
	d.before = g.topics[demoTopic].last()
	d.published.Store(d.before)
	// The clients stay for what was published until ctx has ended.
	clients, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	group, ctx := errgroup.WithContext(ctx)
	for i := range d.fast + 1 {
		t := &taker{before: d.before}
		d.clients = append(d.clients, t)
		l := &listener{dialer: dialer{urls: []string{url}}, topic: demoTopic, after: new(d.before)}
		limit := rate.NewLimiter(rate.Inf, 1)
		if i == d.fast {
			limit.SetLimit(rate.Limit(d.slow))
			l.options.ReadWindow, l.options.NetDial = demoBuffer, smallReceive(demoBuffer)
		}
		group.Go(func() error {
			return l.run(clients, func(m *Message) error {
				t.take(m)
				return limit.Wait(clients)
			})
		})
	}
	group.Go(func() error {
		defer leave()
		err := d.show(ctx, g, url, stdout)
		d.await(clients)
		return err
	})
	err := group.Wait()
	if err == nil {
		printf(stdout, "%s\n", d.summary())
	}
	return err
}

// show publishes and shows the rates until ctx ends.
func (d *demonstration) show(ctx context.Context, g *running, url string, w io.Writer) error {
	defer console.Progress(w, time.Second, d.look(g))()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.publish(ctx, url) })
	group.Go(func() error { return g.wait(ctx) })
	return group.Wait()
}

// await waits until the fast clients have all, but not longer than demoWait.
func (d *demonstration) await(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, demoWait)
	defer stop()
	looks := rate.NewLimiter(100, 1)
	for d.complete() < d.fast && looks.Wait(ctx) == nil {
	}
}

// complete returns how many fast clients have all messages, each once and in order.
func (d *demonstration) complete() (n int) {
	for _, t := range d.clients[:d.fast] {
		if t.has(d.published.Load()) {
			n++
		}
	}
	return n
}

// slowOne returns how many messages the slow client has, and how many not yet.
func (d *demonstration) slowOne() (has, behind int64) {
	has = int64(d.clients[d.fast].taken.Load())
	return has, max(0, int64(d.published.Load()-d.before)-has)
}

// summary says what each client has at the end.
func (d *demonstration) summary() string {
	has, behind := d.slowOne()
	return fmt.Sprintf("published %s; %d of %s %s all, once and in order; "+
		"the slow client has %s, and is %s behind",
		humanize.Comma(int64(d.published.Load()-d.before)), d.complete(),
		english.Plural(d.fast, "fast client", ""), english.PluralWord(d.fast, "has", "have"),
		humanize.Comma(has), humanize.Comma(behind))
}

// look returns the function that the display calls.
func (d *demonstration) look(g *running) func() console.State {
	before := [3]float64{float64(d.before)}
	last := time.Now()
	return func() console.State {
		has, behind := d.slowOne()
		now := [3]float64{float64(d.published.Load()), 0, float64(has)}
		for _, t := range d.clients[:d.fast] {
			now[1] += float64(t.taken.Load())
		}
		took := time.Since(last).Seconds()
		if took < 0.5 { // the last look of all
			return console.State{}
		}
		var each [3]string
		for i := range now {
			each[i] = humanize.CommafWithDigits(max(now[i]-before[i], 0)/took, 0)
		}
		before, last = now, time.Now()
		return console.State{Text: []string{
			"published " + each[0] + "/s",
			english.PluralWord(d.fast, "fast client ", "fast clients ") + each[1] + "/s together",
			"slow client " + each[2] + "/s, " + humanize.Comma(behind) + " behind",
			"gateway holds " + humanize.IBytes(uint64(g.meter.Totals().Sent.Held)) + " for them all",
		}}
	}
}

// publish publishes through the gateway, as any client may.
func (d *demonstration) publish(ctx context.Context, url string) error {
	source := make(chan Publish)
	p := &publisher{dialer: dialer{urls: []string{url}}}
	p.published = func(m *Published) { d.published.Store(m.Seq) }
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.run(ctx, source) })
	group.Go(func() error {
		limit := rate.NewLimiter(rate.Limit(d.rate), max(1, int(d.rate/50)))
		text := strings.Repeat("x", demoPayload)
		for n := 1; limit.Wait(ctx) == nil; n++ {
			select {
			case source <- Publish{Type: typePublish, Topic: demoTopic, Key: fmt.Sprint(n % 100),
				Data: &text, ID: fmt.Sprint(time.Now().UnixNano())}:
			case <-ctx.Done():
			}
		}
		return nil
	})
	return group.Wait()
}

// smallReceive returns a function that connects with a small buffer in the kernel, in bytes. So a
// slow client is noticed soon.
func smallReceive(
	buffer int,
) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(buffer) // else the buffer is larger
		}
		return c, err
	}
}
