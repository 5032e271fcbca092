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

// InBackground is behind a call's name where its context is context.Background.
const InBackground = ", context.Background"

// Handled is the way in which wsstream pushes the messages to the program's function.
const Handled = "Handle"

// calls are wsstream's calls against each other: what one allocates, and what a context costs.
func calls() []Scenario {
	reading := flow{job: work.Sink, order: peer.Flood}
	writing := flow{job: work.Source, order: peer.Swallow}
	return []Scenario{
		reading.calls(Reading, "PullInto", "PullInto"+InBackground, "Pull", "NextMessage",
			Handled),
		writing.calls(Writing, "Write", "Write"+InBackground, "TryWrite"),
	}
}

// calls is the flow with each of library.WsstreamCalls, as far as there are names for what they do
// in it.
func (f flow) calls(name string, names ...string) Scenario {
	sc := Scenario{Name: name,
		Metrics: []Metric{{Name: Nanoseconds, Lower: true}, {Name: Allocations, Lower: true}}}
	for i, call := range names {
		job := work.Job{Library: library.WsstreamCalls[i].Name, Shape: f.job, Size: 64, Limit: limit}
		sc.Entries = append(sc.Entries, Entry{Ours, call, func(o Options) (Run, error) {
			return f.run(job, false, o)
		}})
	}
	return sc
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
