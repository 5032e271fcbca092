package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/wsstream/wsstream"
)

// serveEnv makes the test's binary a gateway, with these arguments.
const serveEnv = "FANOUT_TEST_SERVE"

// A measured is a gateway in a process of its own, so that its memory and its CPU time are its own.
type measured struct {
	url       string
	operators string
}

// measure starts a gateway for a broker.
func measure(b *testing.B, broker string, flags ...string) *measured {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	args := append([]string{"serve", "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0",
		"-nats", broker}, flags...)
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), serveEnv+"="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	next := func(prefix string) string {
		require.True(b, lines.Scan())
		rest, ok := strings.CutPrefix(lines.Text(), prefix)
		require.True(b, ok, lines.Text())
		return rest
	}
	return &measured{next("clients: "), next("operators: ")}
}

// metric returns a metric of the gateway.
func (m *measured) metric(b *testing.B, name string) float64 {
	b.Helper()
	_, body := getURL(b, m.operators+"/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(b, err)
			return v
		}
	}
	require.FailNow(b, "there is no metric "+name)
	return 0
}

// subscribeAll connects many clients, which count what they get.
func (m *measured) subscribeAll(b *testing.B, many int, got *atomic.Int64) {
	b.Helper()
	for range many {
		conn := wsstream.Dial(b.Context(), m.url, nil)
		b.Cleanup(conn.CloseNow)
		_, err := conn.Opened().Wait(b.Context())
		require.NoError(b, err)
		require.NoError(b, conn.Readable().Handle(func(wsstream.Message) error {
			got.Add(1)
			return nil
		}, nil))
		ask := Subscribe{Type: typeSubscribe, Topic: "orders"}
		require.NoError(b, conn.Writable().Write(b.Context(), frame(ask)))
	}
	await(b, got, int64(many)) // each got its Subscribed
}

// await waits until a counter has a value.
func await(b *testing.B, counter *atomic.Int64, value int64) {
	b.Helper()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for late := time.After(time.Minute); counter.Load() < value; {
		select {
		case <-tick.C:
		case <-late:
			require.FailNow(b, "too slow", "%d of %d", counter.Load(), value)
		}
	}
}

// Of a gateway with live subscribers: deliveries a second, the CPU time of one, and the memory of
// an idle subscriber.
func BenchmarkDeliveries(b *testing.B) {
	for _, burst := range []int{1, 100} {
		for _, many := range []int{100, 1000, 4000} {
			b.Run(fmt.Sprintf("burst=%d/subscribers=%d", burst, many), func(b *testing.B) {
				deliver(b, burst, many)
			})
		}
	}
}

// deliver publishes bursts. It waits until all subscribers have one, and then publishes the next.
func deliver(b *testing.B, burst, many int) {
	f := newFixture(b)
	g := measure(b, f.url, "-topic", "orders")
	var got atomic.Int64
	const memory, cpu = "process_resident_memory_bytes", "process_cpu_seconds_total"
	g.subscribeAll(b, 1, &got) // what the first one costs is not the others' cost
	before := g.metric(b, memory)
	got.Store(0)
	g.subscribeAll(b, many, &got)
	each := (g.metric(b, memory) - before) / float64(many)
	payload := []byte(strings.Repeat("x", 200))
	got.Store(0)
	busy := g.metric(b, cpu)
	b.ResetTimer()
	for i := range b.N {
		for range burst {
			_, err := f.js.PublishAsync(subjectOf("orders", "k"), payload)
			require.NoError(b, err)
		}
		await(b, &got, int64((i+1)*burst*(many+1)))
	}
	b.StopTimer()
	busy = g.metric(b, cpu) - busy
	deliveries := float64(b.N * burst * (many + 1))
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(busy/deliveries*1e6, "cpu-us/delivery")
	b.ReportMetric(each, "B/subscriber")
}

// Of direct gets, four at a time: messages a second by the size of a batch. The length of the queue
// is 512 in a gateway, and 65,536 by default in nats.go.
func BenchmarkFetches(b *testing.B) {
	f := newFixture(b)
	_, err := f.js.CreateStream(b.Context(), topicConfig{name: "orders", policy: All, replicas: 1,
		maxBytes: -1}.stream())
	require.NoError(b, err)
	const stored = 20_000
	payload := []byte(strings.Repeat("x", 200))
	for range stored {
		_, err := f.js.PublishAsync(subjectOf("orders", "k"), payload,
			jetstream.WithStallWait(time.Minute))
		require.NoError(b, err)
	}
	<-f.js.PublishAsyncComplete()
	for _, queue := range []int{2 * fetchAtMost, 64 << 10} {
		nc, err := nats.Connect(f.url, nats.SyncQueueLen(queue))
		require.NoError(b, err)
		b.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		require.NoError(b, err)
		for _, batch := range []int{1, 4, 16, 64, 256} {
			b.Run(fmt.Sprintf("queue=%d/batch=%d", queue, batch), func(b *testing.B) {
				b.SetParallelism(2) // times 2 cores
				var seq atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						from := uint64(seq.Add(int64(batch)))%(stored-fetchAtMost) + 1
						got, err := jetstreamext.GetBatch(b.Context(), js, streamOf("orders"), batch,
							jetstreamext.GetBatchSeq(from))
						if err != nil {
							b.Error(err)
							return
						}
						for _, err := range got {
							if err != nil {
								b.Error(err)
								return
							}
						}
					}
				})
				b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
