package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsstream/wsstream"
)

// A bench is a run of wsstream bench.
type bench struct {
	*console
	flags dialFlags

	mode        string
	connections int
	size        size
	text        bool
	duration    time.Duration
	rate        float64
	inFlight    int
	slow        float64
	slowPause   time.Duration
	drain       time.Duration
	json        bool

	meter   wsstream.Meter
	latency latencies
	failed  failures
	start   time.Time // of the load, when all connections are open
	end     time.Time
	late    atomic.Int64 // messages without an answer
	early   atomic.Int64 // connections that the server closed in order before the end
}

const benchModes = "echo, source or sink"

func newBench(c *console) *cobra.Command {
	b := &bench{console: c, size: 128}
	cmd := &cobra.Command{
		Use:   "bench URL",
		Short: "Load a WebSocket server, and measure how long it takes",
		Long: `Bench opens connections to a server, loads them for a while, and prints rates and latencies.

  echo    send messages and take the answers, one for each; the latency is that of the answer
  source  take what the server sends
  sink    send messages; the latency is that of the server's window having room again

With --rate each message is due at a time of its own, whether the server keeps up or not. Latencies
count from that time, also for messages that were sent later because the server stalled. So they
are corrected for coordinated omission. Without --rate each connection sends as fast as the answers
come, and latencies count from the sending: a stall then counts once.

With --slow a fraction of the connections pauses before each message that it takes. Their own
latencies are left out: the others show whether a slow client harms them.`,
		Example: `  wsstream bench ws://localhost:8080
  wsstream bench --connections 1000 --rate 5000 --duration 1m wss://example.org/echo
  wsstream bench --mode source --slow 0.1 ws://localhost:8080/feed`,
		Args: exactArgs("URL"),
		RunE: func(_ *cobra.Command, args []string) error { return b.run(args[0]) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&b.mode, "mode", "echo", "the `mode`: "+benchModes)
	fs.IntVar(&b.connections, "connections", 10, "the `number` of connections")
	fs.Var(&b.size, "size", "the `size` of a message")
	fs.BoolVar(&b.text, "text", false, "text messages, in place of binary ones")
	fs.DurationVar(&b.duration, "duration", 10*time.Second, "the `duration` of the load")
	fs.Float64Var(&b.rate, "rate", 0, "the `number` of messages a second, over all connections")
	fs.IntVar(&b.inFlight, "in-flight", 1,
		"without --rate, the `number` of messages of a connection that wait for answers")
	fs.Float64Var(&b.slow, "slow", 0, "the `fraction` of connections that are slow, from 0 to 1")
	fs.DurationVar(&b.slowPause, "slow-pause", 100*time.Millisecond,
		"the `duration` of a slow connection's pause before each message")
	fs.DurationVar(&b.drain, "drain", 5*time.Second,
		"the longest `duration` of the wait for answers behind the end")
	fs.BoolVar(&b.json, "json", false, "print one line of JSON")
	b.flags.add(fs)
	b.flags.stream.add(fs)
	return cmd
}

// check returns what is wrong with the flags.
func (b *bench) check() error {
	switch {
	case b.mode != "echo" && b.mode != "source" && b.mode != "sink":
		return fmt.Errorf("bad --mode %q: want %s", b.mode, benchModes)
	case b.connections < 1:
		return fmt.Errorf("bad --connections %d: want one or more", b.connections)
	case b.duration <= 0:
		return fmt.Errorf("bad --duration %v: want more than 0s", b.duration)
	case b.rate < 0 || math.IsNaN(b.rate):
		return fmt.Errorf("bad --rate %v: want a number of messages a second", b.rate)
	case b.rate > 0 && !(b.eachRate() >= 1e-6 && b.eachRate() <= 1e9):
		return fmt.Errorf("bad --rate %v: want from 1e-6 to 1e9 a second for each connection", b.rate)
	case b.rate > 0 && b.mode == "source":
		return errors.New("--rate: the server sets the rate of a source")
	case b.inFlight < 1:
		return fmt.Errorf("bad --in-flight %d: want one or more", b.inFlight)
	case !(b.slow >= 0 && b.slow <= 1):
		return fmt.Errorf("bad --slow %v: want a fraction from 0 to 1", b.slow)
	}
	return nil
}

// eachRate is the rate of one connection.
func (b *bench) eachRate() float64 { return b.rate / float64(b.connections) }

func (b *bench) run(url string) error {
	if err := b.check(); err != nil {
		return usageError{err}
	}
	o, err := b.flags.options(url)
	if err != nil {
		return err
	}
	o.Meter = &b.meter
	conns, err := b.open(url, o)
	if err != nil {
		return err
	}
	during, took := b.load(conns)
	totals := b.meter.Totals()
	b.close(conns)
	if b.stop.hard.Err() != nil {
		return errCut
	}
	if err := b.report(totals, during, took); err != nil {
		return err
	}
	return b.failed.err()
}

// open opens all connections, a hundred concurrently.
func (b *bench) open(url string, o *wsstream.DialOptions) ([]*wsstream.Conn, error) {
	conns := make([]*wsstream.Conn, b.connections)
	places := make(chan struct{}, 100)
	var all sync.WaitGroup
	for i := range conns {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			conn, err := connect(b.stop, url, o)
			if err != nil {
				b.failed.add(err)
				return
			}
			conns[i] = conn
		})
	}
	all.Wait()
	if err := b.failed.err(); err != nil {
		for _, conn := range conns {
			if conn != nil {
				conn.CloseNow()
			}
		}
		return nil, err
	}
	return conns, nil
}

// load loads the connections until the end, or the first interrupt. It returns the figures of that
// time, and waits for the answers that come behind it.
func (b *bench) load(conns []*wsstream.Conn) (during wsstream.Totals, took time.Duration) {
	b.start = time.Now()
	b.end = b.start.Add(b.duration)
	ctx, cancel := context.WithDeadline(b.stop.soft, b.end)
	defer cancel()
	drained, cancelDrain := context.WithDeadline(b.stop.hard, b.end.Add(b.drain))
	defer cancelDrain()
	defer context.AfterFunc(b.stop.soft, cancelDrain)()
	counted := make(chan struct{}) // closed when the results are set
	context.AfterFunc(ctx, func() {
		during, took = b.meter.Totals(), time.Since(b.start)
		close(counted)
	})
	var all sync.WaitGroup
	for i, conn := range conns {
		l := &loader{
			bench: b,
			conn:  conn,
			slow:  i < int(math.Round(b.slow*float64(len(conns)))),
			first: b.start,
		}
		if b.rate > 0 {
			l.interval = seconds(1 / b.eachRate())
			l.first = b.start.Add(seconds(float64(i) / b.rate))
		}
		all.Go(func() { l.run(ctx, drained) })
	}
	all.Wait()
	cancel()
	<-counted
	return during, took
}

// close closes all connections in order. Those that do not answer are cut after the timeout.
func (b *bench) close(conns []*wsstream.Conn) {
	var all sync.WaitGroup
	for _, conn := range conns {
		all.Go(func() { // an unclean end now is not one of the load
			_ = conn.Shutdown(b.stop.hard, wsstream.CloseInfo{Code: 1000})
			conn.CloseNow()
		})
	}
	all.Wait()
}
