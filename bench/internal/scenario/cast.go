package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// Reached is the metric of a broadcast: the time from Publish to the last fast consumer.
const Reached = "until the last fast one has it"

const (
	castSize  = 1 << 10 // bytes a message
	castPeers = 2       // processes of fast consumers
	casts     = 9       // messages that are measured
)

// CastConns is how many connections a broadcast goes to.
func CastConns(o Options) int { return pick(o, 10000, 100) }

// CastShares is how many of them are stopped.
func CastShares(o Options) []int { return []int{0, CastConns(o) / 10} }

// CastName is the name of the scenario of a broadcast to very many.
func CastName(o Options, stopped int) string {
	return fmt.Sprintf("broadcast to %d, %s", CastConns(o), share(stopped))
}

func broadcasts(o Options) []Scenario {
	var scenarios []Scenario
	for _, stopped := range CastShares(o) {
		scenarios = append(scenarios, Scenario{
			Name: CastName(o, stopped),
			Metrics: []Metric{deliverCPU, {Name: Reached, Unit: "ms", Lower: true},
				{Name: "memory of the process", Unit: "MiB", Lower: true}, lostByFast, cut},
			Entries: ways(func(lib, way string, o Options) (Run, error) {
				if lib == Ours { // as a server does that has very many connections
					lib = library.WsstreamHandle.Name
				}
				job := roomJob(lib, way, castSize)
				job.Buffer = stallBuffer
				return cast(job, stopped, o)
			}),
		})
	}
	return scenarios
}

// cast publishes one message after the other, each when the one before it has come to all.
func cast(job work.Job, stopped int, o Options) (Run, error) {
	fast := CastConns(o) - stopped
	s, m, err := openHeld(job, stopped, fast, castPeers)
	if err != nil {
		return ended(err, nil)
	}
	defer s.close()
	if _, err := m.publish(unpaced, casts, fast); err != nil { // to warm up
		return ended(err, nil)
	}
	var took []time.Duration
	var b burst
	var cpu, lost, rss float64
	for range casts {
		if b, err = m.publish(unpaced, 1, fast); err != nil {
			return Run{}, err
		}
		took = append(took, b.took)
		cpu += b.cpu / casts
		lost += float64(b.lost)
		rss = max(rss, mibs(b.to.library.RSS))
	}
	slices.Sort(took)
	return Run{Note: m.note, Values: map[string]float64{
		DeliverCPU:              cpu,
		Reached:                 micros(took[len(took)/2]) / 1000,
		"memory of the process": rss,
		FastLost:                lost,
		Cut:                     float64(b.to.peer.Cut),
	}}, nil
}
