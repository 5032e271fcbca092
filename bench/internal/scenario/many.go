package scenario

import (
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const (
	connections   = "connections a second"
	perConnection = "CPU a connection"
	churners      = 8
)

// many are the scenarios with many connections that are not idle.
func many(o Options) []Scenario {
	var scenarios []Scenario
	for _, size := range pick(o, []int{64, 1 << 10, 64 << 10}, []int{64}) {
		scenarios = append(scenarios, talk(Ten(o), size, func(job work.Job, o Options) (Run, error) {
			return little(job, manyConns(o), o)
		}))
	}
	for _, size := range pick(o, []int{64, 1 << 10}, []int{64}) {
		scenarios = append(scenarios, talk(One(o), size, crowd))
	}
	for _, bare := range []bool{false, true} {
		scenarios = append(scenarios, Scenario{
			Name:    "set-up and tear-down, " + server(bare),
			Metrics: []Metric{{Name: connections}, {Name: perConnection, Unit: "µs", Lower: true}},
			Entries: servers(bare, func(lib string, o Options) (Run, error) {
				return churn(work.Job{Library: lib, Shape: work.Sink, Bare: bare}, o)
			}),
		})
	}
	return scenarios
}

// Ten and One are the names of the scenarios of many connections on which little happens, without
// the size of their messages.
func Ten(o Options) string {
	return fmt.Sprintf("%d connections, ten messages a second each", manyConns(o))
}

// One is the name of the scenario with the most connections.
func One(o Options) string {
	return fmt.Sprintf("%d connections, one message a second each", crowdConns(o))
}

func manyConns(o Options) int { return pick(o, 1000, 100) }

// talk is a scenario in which run does an echo with each library.
func talk(name string, size int, run func(job work.Job, o Options) (Run, error)) Scenario {
	lib := func(lib string, o Options) (Run, error) {
		return run(work.Job{Library: lib, Shape: work.Echo, Size: size, Limit: limit}, o)
	}
	return Scenario{Name: Sized(name, size), Metrics: []Metric{cpu, p50, p99},
		Entries: orHandled(each(lib), lib)}
}

// server names how connections are accepted.
func server(bare bool) string {
	if bare {
		return "on bare connections"
	}
	return "from net/http"
}

// servers are the entries of the libraries that can accept connections so.
func servers(bare bool, run func(lib string, o Options) (Run, error)) []Entry {
	if !bare {
		return each(run)
	}
	var entries []Entry
	for i, e := range each(run) {
		if library.All[i].ServeBare != nil {
			entries = append(entries, e)
		}
	}
	return entries
}

func little(job work.Job, n int, o Options) (Run, error) {
	s, err := open(job, peer.Order{Shape: peer.Little, Conns: n, Size: job.Size,
		Every: 100 * time.Millisecond}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	pause(pick(o, 200*time.Millisecond, 0)) // every connection has had its first turn
	from, to, note, err := s.measure(o, received(job.Shape))
	if err != nil {
		return Run{}, err
	}
	r, err := rate(job.Shape, from, to)
	r.Note = note
	return r, err
}

func churn(job work.Job, o Options) (Run, error) {
	s, err := open(job, peer.Order{Shape: peer.Churn, InFlight: churners}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	made := func(from, to moment) int64 { return to.peer.In - from.peer.In }
	from, to, _, err := s.measure(o, made)
	if err != nil {
		return Run{}, err
	}
	n := float64(made(from, to))
	r := Run{Values: map[string]float64{
		connections:   n / (to.peer.At - from.peer.At).Seconds(),
		perConnection: micros(to.library.CPU-from.library.CPU) / n,
	}}
	if cut := to.peer.Cut - from.peer.Cut; cut > 0 {
		r.Note = fmt.Sprintf("%d connections ended without a closing handshake", cut)
	}
	return r, nil
}
