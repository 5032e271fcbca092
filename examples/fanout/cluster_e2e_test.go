//go:build e2e

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// build builds a program. Its binary is removed with the test.
func build(t *testing.T, pkg string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, pkg).CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// A process is a program that runs until the test ends it.
type process struct {
	*exec.Cmd
	lines chan string // of its standard output
	kill  func()      // as kill -9 does; waits for the end
}

// start starts a program.
func start(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(binary, args...), lines: make(chan string, 100)}
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	done := make(chan struct{})
	go func() { // ends with the process
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
		_ = p.Wait()
	}()
	p.kill = sync.OnceFunc(func() {
		_ = p.Process.Kill()
		<-done
	})
	t.Cleanup(p.kill)
	return p
}

// line waits for a line that begins with a word, and returns the rest.
func (p *process) line(t *testing.T, word string) string {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case s, ok := <-p.lines:
			require.True(t, ok, "the process has ended")
			if rest, ok := strings.CutPrefix(s, word); ok {
				return rest
			}
		case <-late:
			require.FailNow(t, "no line "+word)
		}
	}
}

// freePorts returns ports on which nothing listens.
func freePorts(t *testing.T, many int) (ports []int) {
	t.Helper()
	for range many {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// A cluster is three processes of nats-server.
type cluster struct {
	servers map[string]*process // by name
	urls    []string
	js      jetstream.JetStream
}

// startCluster starts a cluster, and waits until it stores.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	binary := build(t, "github.com/nats-io/nats-server/v2")
	const many = 3
	ports := freePorts(t, 2*many)
	var routes []string
	for _, port := range ports[many:] {
		routes = append(routes, fmt.Sprint("nats://127.0.0.1:", port))
	}
	c := &cluster{servers: map[string]*process{}}
	for i := range many {
		name := fmt.Sprint("n", i)
		c.servers[name] = start(t, binary, "-n", name, "-a", "127.0.0.1", "-p", strconv.Itoa(ports[i]),
			"-js", "-sd", t.TempDir(), "-cluster_name", "test", "-cluster", routes[i],
			"-routes", strings.Join(routes, ","), "-l", filepath.Join(t.TempDir(), "log"))
		c.urls = append(c.urls, fmt.Sprint("nats://127.0.0.1:", ports[i]))
	}
	var nc *nats.Conn
	require.Eventually(t, func() bool {
		var err error
		nc, err = nats.Connect(strings.Join(c.urls, ","), nats.MaxReconnects(-1),
			nats.ReconnectWait(100*time.Millisecond))
		return err == nil
	}, patience, 100*time.Millisecond)
	t.Cleanup(nc.Close)
	var err error
	c.js, err = jetstream.New(nc)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ready", Replicas: many})
		return err == nil
	}, patience, 100*time.Millisecond, "the cluster has a leader")
	require.NoError(t, c.js.DeleteStream(t.Context(), "ready"))
	return c
}

// A member is a gateway that runs as a process.
type member struct {
	*process
	url, operators string
}

// startGateway starts a gateway for a cluster.
func (c *cluster) startGateway(t *testing.T, binary string, flags ...string) *member {
	t.Helper()
	args := append([]string{"serve", "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0",
		"-nats", strings.Join(c.urls, ",")}, flags...)
	m := &member{process: start(t, binary, args...)}
	m.url = m.line(t, "clients: ")
	m.operators = m.line(t, "operators: ")
	return m
}

// metrics returns the text of a gateway's metrics.
func (m *member) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(m.operators + "/metrics") //nolint:noctx // on loopback
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

// metric returns the sum of a gateway's metrics whose lines begin with a text.
func (m *member) metric(t *testing.T, begin string) (sum float64) {
	t.Helper()
	for line := range strings.Lines(m.metrics(t)) {
		if strings.HasPrefix(line, begin) {
			fields := strings.Fields(line)
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			require.NoError(t, err)
			sum += v
		}
	}
	return sum
}

// A witness is a client that checks that it gets each message of its topic once and in order.
type witness struct {
	listener
	want  int
	slow  *rate.Limiter // nil for a client that keeps up
	got   []bool        // by the number in the payload
	count atomic.Int64
	cuts  atomic.Int64
}

// witness takes all messages.
func (w *witness) witness(ctx context.Context, hurry <-chan struct{}) error {
	last := uint64(0)
	w.onCut = func(error) { w.cuts.Add(1) }
	err := w.run(ctx, func(m *Message) error {
		number, _, _ := strings.Cut(*m.Data, " ")
		n, err := strconv.Atoi(number)
		switch {
		case err != nil || n < 0 || n >= w.want:
			return &failure{1, fmt.Errorf("message %d has a bad payload", m.Seq)}
		case m.Seq != last+1:
			return &failure{1, fmt.Errorf("message %d came behind %d", m.Seq, last)}
		case w.got[n]:
			return &failure{1, fmt.Errorf("%d was published twice", n)}
		}
		last, w.got[n] = m.Seq, true
		if int(w.count.Add(1)) == w.want {
			return errDone
		}
		if w.slow != nil {
			select {
			case <-hurry:
			default:
				return w.slow.Wait(ctx)
			}
		}
		return nil
	})
	if err == nil && int(w.count.Load()) != w.want {
		err = fmt.Errorf("it has %d of %d", w.count.Load(), w.want)
	}
	return err
}

// report logs how far the clients are that have not got all, and what the gateway says of itself.
func (m *member) report(t *testing.T, witnesses []*witness) {
	t.Helper()
	behind := map[string]int{}
	for _, w := range witnesses {
		if n := w.count.Load(); n != int64(w.want) {
			behind[fmt.Sprintf("%s, slow: %v, has %d", w.topic, w.slow != nil, n)]++
		}
	}
	for how, many := range behind {
		t.Logf("%d clients: %s", many, how)
	}
	for line := range strings.Lines(m.metrics(t)) {
		if strings.HasPrefix(line, "fanout_") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// The sizes of the test.
const (
	clusterClients = 2000
	clusterSlow    = clusterClients / 10
	clusterEach    = 300  // messages of a topic
	clusterPayload = 2000 // bytes
	clusterRate    = 30   // messages of a topic a second
	slowRate       = 5    // of these, what a slow client takes
)

func TestClusterGivesEachClientEachMessageOnceAlthoughAGatewayAndAServerAreKilled(t *testing.T) {
	c := startCluster(t)
	binary := build(t, ".")
	flags := []string{"-topic", "orders", "-topic", "trades", "-replicas", "3",
		"-ring", "32", "-window", "4KiB"}
	dies, stays := c.startGateway(t, binary, flags...), c.startGateway(t, binary, flags...)
	urls := []string{dies.url, stays.url}
	topics := []string{"orders", "trades"}

	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	hurry := make(chan struct{}) // closed when slow clients need not be slow any more
	witnesses := make([]*witness, clusterClients)
	ended := make(chan error, clusterClients)
	var began sync.WaitGroup
	for i := range witnesses {
		w := &witness{want: clusterEach, got: make([]bool, clusterEach)}
		w.urls = []string{urls[i%2], urls[1-i%2]}
		w.topic, w.after = topics[i/2%2], new(uint64)
		if i < clusterSlow {
			w.slow = rate.NewLimiter(slowRate, 1)
			w.options = *slowly
		}
		began.Add(1)
		once := sync.OnceFunc(began.Done)
		w.began = func(Subscribed) { once() }
		witnesses[i] = w
		go func() { ended <- w.witness(ctx, hurry) }() // ends with its last message, or with ctx
	}
	began.Wait()
	t.Logf("%d clients have subscribed", clusterClients)

	var published sync.WaitGroup
	var acknowledged atomic.Int64 // messages of both topics
	for _, topic := range topics {
		published.Go(func() { publishAll(ctx, t, urls, topic, &acknowledged) })
	}
	part := func(n, of int64) func() bool {
		return func() bool { return acknowledged.Load() >= 2*clusterEach*n/of }
	}
	require.Eventually(t, part(1, 3), time.Minute, 10*time.Millisecond)
	dies.kill()
	t.Log("a gateway is killed")
	require.Eventually(t, part(2, 3), time.Minute, 10*time.Millisecond)
	s, err := c.js.Stream(ctx, streamOf("orders"))
	require.NoError(t, err)
	leader := s.CachedInfo().Cluster.Leader
	require.Contains(t, c.servers, leader)
	c.servers[leader].kill()
	t.Logf("%s, the leader of a stream, is killed", leader)
	published.Wait()
	require.Positive(t, stays.metric(t, `fanout_subscriber_states{state="blocked"`), "some are slow")
	missing := int64(0) // bytes that slow clients have not got yet
	for _, w := range witnesses[:clusterSlow] {
		missing += (clusterEach - w.count.Load()) * clusterPayload
	}
	// The live heap is what the gateway holds, without garbage. Idle connections, the rings and the
	// connection to the broker are all of it: what slow clients miss is not there.
	const live, resident = "go_gc_heap_live_bytes ", "process_resident_memory_bytes "
	slowLive, slowResident := stays.metric(t, live), stays.metric(t, resident)
	require.Less(t, slowLive, float64(missing)/2, "slow clients have not got %d bytes", missing)
	require.LessOrEqual(t, stays.metric(t, `wsstream_connection_held_bytes_max{direction="out"`),
		float64(4<<10+clusterPayload+200), "a window, and one message")
	close(hurry)
	for range witnesses {
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(2 * time.Minute):
			stays.report(t, witnesses)
			require.FailNow(t, "a client has not got all")
		}
	}
	require.Less(t, stays.metric(t, live), float64(missing)/2, "when they catch up")
	t.Logf("from the ring %.0f, from the stream %.0f in %.0f fetches, of %.0f fetched",
		stays.metric(t, `fanout_messages_delivered_total{from="ring"`),
		stays.metric(t, `fanout_messages_delivered_total{from="stream"`),
		stays.metric(t, "fanout_fetches_total"), stays.metric(t, "fanout_messages_fetched_total"))
	t.Logf("slow clients were %d MiB behind: live heap %.0f MiB, at the end %.0f MiB; resident %.0f and %.0f MiB",
		missing>>20, slowLive/(1<<20), stays.metric(t, live)/(1<<20), slowResident/(1<<20),
		stays.metric(t, resident)/(1<<20))
}

// publishAll publishes the messages of a topic, each with its number.
func publishAll(
	ctx context.Context, t *testing.T, urls []string, topic string, done *atomic.Int64,
) {
	source := make(chan Publish)
	p := &publisher{dialer: dialer{urls: urls}, published: func(*Published) { done.Add(1) }}
	go func() { // ends with the last message, or with ctx
		defer close(source)
		limit := rate.NewLimiter(clusterRate, 1)
		rest := strings.Repeat("x", clusterPayload)
		for i := range clusterEach {
			if limit.Wait(ctx) != nil {
				return
			}
			data := fmt.Sprint(i, " ", rest)
			m := Publish{Type: typePublish, Topic: topic, Key: fmt.Sprint(i % 10), Data: &data,
				ID: fmt.Sprint(i)}
			select {
			case source <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := p.run(ctx, source); err != nil {
		t.Errorf("publishing to %s: %v", topic, err)
	}
}
