package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
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

	published atomic.Uint64 // the number of the newest message
	taken     atomic.Int64  // by the fast clients together
	slowTaken atomic.Int64
	slowAt    atomic.Uint64 // the number of its last message
}

// demo is the command without a name.
func demo(ctx context.Context, args []string, stdout io.Writer) error {
	d, o := &demonstration{}, &serveOptions{listen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
	flags := flag.NewFlagSet("fanout", flag.ContinueOnError)
	o.addBroker(flags)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8082", "the `address` for more clients")
	flags.IntVar(&d.fast, "clients", 100, "how `many` clients keep up")
	flags.Float64Var(&d.rate, "rate", 500, "how `many` messages a second are published")
	flags.Float64Var(&d.slow, "slow", 50, "how `many` messages a second the slow client takes")
	flags.DurationVar(&d.length, "for", 0, "how `long` it runs; 0 for until an interrupt")
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
	demoPayload = 1000 // bytes
)

// run shows the rates until ctx ends.
func (d *demonstration) run(ctx context.Context, g *running, stdout io.Writer) error {
	url := fmt.Sprintf("ws://%s/ws", g.clients)
	printf(stdout, "a broker, a gateway at %s, %d fast clients and a slow one\n"+
		"listen, too: go run ./examples/fanout listen %s %s\n\n", url, d.fast, url, demoTopic)
	d.published.Store(g.topics[demoTopic].last())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.publish(ctx, url) })
	for range d.fast {
		l := &listener{dialer: dialer{urls: []string{url}}, topic: demoTopic}
		group.Go(func() error {
			return l.run(ctx, func(*Message) error { d.taken.Add(1); return nil })
		})
	}
	slow := &listener{dialer: dialer{urls: []string{url}}, topic: demoTopic}
	slow.options.ReadWindow = 4 << 10
	slow.options.NetDial = smallReceive
	limit := rate.NewLimiter(rate.Limit(d.slow), 1)
	group.Go(func() error {
		return slow.run(ctx, func(m *Message) error {
			d.slowTaken.Add(1)
			d.slowAt.Store(m.Seq)
			return limit.Wait(ctx)
		})
	})
	group.Go(func() error {
		defer console.Progress(stdout, time.Second, d.look(g))()
		return g.wait()
	})
	return group.Wait()
}

// look returns the function that the display calls.
func (d *demonstration) look(g *running) func() console.State {
	var before [3]float64
	last := time.Now()
	return func() console.State {
		now := [3]float64{
			float64(d.published.Load()), float64(d.taken.Load()), float64(d.slowTaken.Load()),
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
		behind := int64(now[0]) - int64(d.slowAt.Load())
		return console.State{Text: []string{
			"published " + each[0] + "/s",
			"fast clients " + each[1] + "/s together",
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
		text := string(make([]byte, demoPayload))
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

// smallReceive connects with a small buffer in the kernel, so that a slow client is noticed soon.
func smallReceive(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10) // else the buffer is larger
	}
	return c, err
}
