package scenario

import (
	"time"

	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const allocations = "allocations a message"

// The names of the scenarios of wsstream's own calls.
const (
	Reading = "wsstream's calls, reading 64 B"
	Writing = "wsstream's calls, writing 64 B"
)

// Allocations and Nanoseconds are what they tell.
const (
	Allocations = allocations
	Nanoseconds = "nanoseconds a message"
)

// calls are wsstream's calls against each other: what one allocates, and what a context costs.
func calls() []Scenario {
	const size = 64
	metrics := []Metric{{Name: Nanoseconds, Lower: true}, {Name: Allocations, Lower: true}}
	of := func(name string, f flow, libs []library.Library) Scenario {
		sc := Scenario{Name: name, Metrics: metrics}
		for _, l := range libs {
			sc.Entries = append(sc.Entries, Entry{Library: Ours, Way: l.Name, run: func(o Options) (Run, error) {
				return f.run(work.Job{Library: l.Name, Shape: f.job, Size: size, Limit: limit}, false, o)
			}})
		}
		return sc
	}
	libs := library.WsstreamCalls
	return []Scenario{
		of(Reading, flow{job: work.Sink, order: peer.Flood}, libs),
		of(Writing, flow{job: work.Source, order: peer.Swallow}, libs[:len(libs)-1]), // the last one only reads otherwise
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
