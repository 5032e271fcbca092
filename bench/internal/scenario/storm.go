package scenario

import (
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const (
	untilServed = "until all are served"
	during      = "p99 of the others"

	stormSize = 64 // bytes of a message
	others    = 10 // connections that are there when the storm begins
)

// storms are many clients that come back within a second, as after a restart of a proxy.
func storms(o Options) []Scenario {
	n := pick(o, 5000, 50)
	name := fmt.Sprintf("%d clients come back within a second", n)
	var scenarios []Scenario
	for _, tls := range []bool{false, true} {
		sc := Scenario{
			Name: name,
			Metrics: []Metric{
				{Name: untilServed, Unit: "ms", Lower: true},
				{Name: during, Unit: "µs", Lower: true},
				{Name: perConnection, Unit: "µs", Lower: true},
			},
			Entries: each(func(lib string, o Options) (Run, error) {
				return storm(work.Job{Library: lib, Shape: work.Echo, Size: stormSize, TLS: tls,
					Limit: limit}, n, o)
			}),
			MaxRuns: 3,
		}
		if tls {
			sc.Name = "TLS, " + name
		}
		scenarios = append(scenarios, sc)
	}
	return scenarios
}

// storm has a process of its own for the clients that come back. So the time of an answer on the
// other connections does not depend on what those clients do.
func storm(job work.Job, n int, o Options) (Run, error) {
	s, err := open(job, peer.Order{Shape: peer.Steady, Conns: others, Size: job.Size,
		Every: 10 * time.Millisecond, TLS: job.TLS}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	clients, err := proc.Start(RolePeer)
	if err != nil {
		return Run{}, err
	}
	defer func() { _ = clients.Close() }()
	pause(o.warmUp())
	from, err := s.now(work.Want{})
	if err != nil {
		return Run{}, err
	}
	order := peer.Order{Shape: peer.Storm, Addr: s.addr, Conns: n, Size: job.Size,
		Every: pick(o, time.Second, 20*time.Millisecond), TLS: job.TLS}
	if err := clients.Call(peer.MethodStart, order, nil); err != nil {
		return Run{}, err
	}
	to, err := s.now(work.Want{})
	if err != nil {
		return Run{}, err
	}
	if to.peer.Cut > 0 {
		return Run{}, fmt.Errorf("%d of the others were lost", to.peer.Cut)
	}
	return Run{Values: map[string]float64{
		untilServed:      micros(to.library.At-from.library.At) / 1000,
		during:           to.peer.P99,
		perConnection:    micros(to.library.CPU-from.library.CPU) / float64(n),
		"p50, µs":        to.peer.P50,
		"p99 before, µs": from.peer.P99,
		"growth, MiB":    mibs(to.library.RSS - from.library.RSS),
	}}, nil
}
