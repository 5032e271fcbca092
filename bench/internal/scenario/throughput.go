package scenario

import (
	"errors"
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// The names of metrics that more than one scenario has.
const (
	P50       = "p50"
	P99       = "p99"
	CPU       = "CPU a message"
	PerSecond = "messages a second"
)

var (
	p50            = Metric{Name: P50, Unit: "µs", Lower: true}
	p99            = Metric{Name: P99, Unit: "µs", Lower: true}
	cpu            = Metric{Name: CPU, Unit: "µs", Lower: true}
	latencyMetrics = []Metric{p50, p99, cpu}
	rateMetrics    = []Metric{{Name: PerSecond}, cpu}
)

// Sized is the name of a scenario with messages of n bytes.
func Sized(name string, n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%s, %d MiB", name, n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%s, %d KiB", name, n>>10)
	}
	return fmt.Sprintf("%s, %d B", name, n)
}

// The names of the scenarios with one connection.
const (
	PingPong = "ping-pong"
	Pipeline = "pipeline, 64 in flight"
	Source   = "source"
	Sink     = "sink"
	Both     = "both ways"
)

// A flow is one connection on which messages go as fast as it lets them.
type flow struct {
	name     string
	metrics  []Metric
	job      string // shapes
	order    string
	inFlight int
	sizes    []int
}

var flows = []flow{
	{PingPong, latencyMetrics, work.Echo, peer.PingPong, 1, []int{64, 1 << 10, 64 << 10}},
	{Pipeline, rateMetrics, work.Echo, peer.PingPong, 64, []int{64, 1 << 10, 64 << 10}},
	{Source, rateMetrics, work.Source, peer.Swallow, 0, []int{64, 1 << 10, 64 << 10, 1 << 20}},
	{Sink, rateMetrics, work.Sink, peer.Flood, 0, []int{64, 1 << 10, 64 << 10, 1 << 20}},
	{Both, rateMetrics, work.Both, peer.Both, 0, []int{64, 1 << 10, 64 << 10}},
}

// throughput is the library as a server, with one connection.
func throughput(o Options) []Scenario {
	var scenarios []Scenario
	for _, f := range flows {
		for _, size := range pick(o, f.sizes, f.sizes[:1]) {
			scenarios = append(scenarios, f.scenario(Sized(f.name, size), size, false))
		}
	}
	return scenarios
}

// asClient is the library as a client, whose messages are masked.
func asClient(o Options) []Scenario {
	var scenarios []Scenario
	for _, f := range flows {
		if f.name == Pipeline || f.name == Both {
			continue
		}
		for _, size := range pick(o, []int{64, 64 << 10}, []int{64}) {
			scenarios = append(scenarios, f.scenario(Sized("client, "+f.name, size), size, true))
		}
	}
	return scenarios
}

func (f flow) scenario(name string, size int, client bool) Scenario {
	return Scenario{
		Name:    name,
		Metrics: f.metrics,
		Entries: each(func(lib string, o Options) (Run, error) {
			job := work.Job{Library: lib, Shape: f.job, Size: size, Limit: limit}
			return f.run(job, client, o)
		}),
	}
}

// run runs a job against the peer on one connection.
func (f flow) run(job work.Job, client bool, o Options) (Run, error) {
	order := peer.Order{Shape: f.order, Conns: 1, Size: job.Size, InFlight: f.inFlight, TLS: job.TLS}
	s, err := open(job, order, client)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	from, to, note, err := s.measure(o, received(job.Shape))
	if err != nil {
		return Run{}, err
	}
	r, err := rate(job.Shape, from, to)
	r.Note = note
	return r, err
}

// received counts the messages that were received between two moments: by the library, by the peer,
// or by both.
func received(shape string) func(from, to moment) int64 {
	return func(from, to moment) int64 {
		library, peer := to.library.In-from.library.In, to.peer.In-from.peer.In
		switch shape {
		case work.Sink:
			return library
		case work.Both:
			return library + peer
		}
		return peer
	}
}

// rate returns the figures of a job of this shape.
func rate(shape string, from, to moment) (Run, error) {
	n := float64(received(shape)(from, to))
	switch {
	case to.peer.Cut > 0:
		return Run{}, errors.New("the connection was lost")
	case n == 0: // it was stopped before
		return Run{}, errors.New("nothing was received")
	case to.library.Wrong:
		return Run{}, errors.New("a message was not as long as it was sent")
	}
	return Run{Values: map[string]float64{
		PerSecond:               n / (to.peer.At - from.peer.At).Seconds(),
		P50:                     to.peer.P50,
		P99:                     to.peer.P99,
		CPU:                     micros(to.library.CPU-from.library.CPU) / n,
		"the peer's CPU, µs":    micros(to.peer.CPU-from.peer.CPU) / n,
		allocations:             float64(to.library.Mallocs-from.library.Mallocs) / n,
		"growth, MiB":           mibs(to.library.RSS - from.library.RSS),
		"the library's CPU, %":  percent(to.library.CPU-from.library.CPU, to.library.At-from.library.At),
		"the peer's share, %":   percent(to.peer.CPU-from.peer.CPU, to.peer.At-from.peer.At),
		"nanoseconds a message": float64(to.peer.At-from.peer.At) / n,
	}}, nil
}

// percent is how much of a time was used.
func percent(used, of time.Duration) float64 { return 100 * used.Seconds() / of.Seconds() }
