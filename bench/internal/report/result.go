package report

import (
	"math"
	"strings"
	"time"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// A Result is what a scenario gave.
type Result struct {
	Scenario string
	Date     time.Time // when, and of which commit, it was measured
	Commit   string
	Metrics  []scenario.Metric
	Lines    []Line
}

// A Line is what one entry of it gave.
type Line struct {
	Library string
	Way     string `json:",omitempty"`
	Runs    []scenario.Run
	Errors  []string `json:",omitempty"` // of runs that failed
}

// Name is the line's name in a table.
func (l Line) Name() string { return scenario.Entry{Library: l.Library, Way: l.Way}.Name() }

// Stat returns the median and spread of a metric over the runs that have it.
func (l Line) Stat(metric string) Stat {
	var values []float64
	for _, r := range l.Runs {
		if v, ok := r.Values[metric]; ok {
			values = append(values, v)
		}
	}
	return Of(values)
}

// Note is the first note of a run, or error.
func (l Line) Note() string {
	for _, e := range l.Errors {
		return "failed: " + e
	}
	for _, r := range l.Runs {
		if r.Note != "" {
			return r.Note
		}
	}
	return ""
}

func (l Line) isPeer() bool {
	return l.Library != scenario.Ours && l.Library != scenario.Raw &&
		l.Library != scenario.EmptyProcess
}

// isUnlimited reports whether the queues of its way grow without a limit.
func (l Line) isUnlimited() bool { return strings.HasSuffix(l.Way, scenario.NoLimit) }

// ours is the median of wsstream's first line: of several ways, the one its users write first.
func (r Result) ours(metric string) float64 { return r.first(scenario.Ours, metric) }

func (r Result) raw(metric string) float64 { return r.first(scenario.Raw, metric) }

func (r Result) first(lib, metric string) float64 {
	for _, l := range r.Lines {
		if l.Library == lib {
			return l.Stat(metric).Median
		}
	}
	return math.NaN()
}

// way is the median of the line of one way.
func (r Result) way(name, metric string) float64 {
	for _, l := range r.Lines {
		if l.Way == name {
			return l.Stat(metric).Median
		}
	}
	return math.NaN()
}

// peers are the medians of the peers that have the metric.
func (r Result) peers(metric string) []float64 {
	var medians []float64
	for _, l := range r.Lines {
		if v := l.Stat(metric).Median; l.isPeer() && !math.IsNaN(v) {
			medians = append(medians, v)
		}
	}
	return medians
}

// best is the best peer's median.
func (r Result) best(metric string, lower bool) float64 {
	best := math.NaN()
	for _, v := range r.peers(metric) {
		if math.IsNaN(best) || better(v, best, lower) {
			best = v
		}
	}
	return best
}

// TimesBest is how many times as good a line is as the best peer, in what the scenario is about.
func (r Result) TimesBest(l Line) float64 {
	m := r.Metrics[0]
	return Ratio(l.Stat(m.Name).Median, r.best(m.Name, m.Lower), m.Lower)
}
