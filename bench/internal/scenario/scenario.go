// Package scenario holds what is measured: each scenario with the libraries that take part, and how
// one run of one of them goes. A run has processes of its own, so that none finds what another left
// behind.
package scenario

import (
	"regexp"
	"slices"
	"time"

	"github.com/wsstream/wsstream/bench/internal/library"
)

// A Metric is one of the figures of a scenario.
type Metric struct {
	Name  string
	Unit  string
	Lower bool // less is better
	Plain bool // neither more nor less is better
}

// An Entry is a library, in one way of using it, that takes part in a scenario.
type Entry struct {
	Library string
	Way     string // empty: there is one
	run     func(Options) (Run, error)
}

// Name is the entry's line in a table.
func (e Entry) Name() string {
	if e.Way == "" {
		return e.Library
	}
	return e.Library + ": " + e.Way
}

// Run runs the entry once.
func (e Entry) Run(o Options) (Run, error) { return e.run(o) }

// A Scenario is one thing that programs do.
type Scenario struct {
	Name    string
	Metrics []Metric // the first is what it is about
	Entries []Entry
	MaxRuns int // a run takes long; 0: as many as are asked for
}

// A Run is what came out of one run of an entry.
type Run struct {
	Values map[string]float64 // by the name of the metric; others are for the record
	Memory []Point            `json:",omitempty"`
	Note   string             `json:",omitempty"` // what a reader of the figures should know
}

// A Point is the memory of the library's process at a time.
type Point struct {
	Seconds float64 // since the start of what is measured
	RSS     float64 // MiB of growth
	Heap    float64 // MiB in use, heap and stacks
}

// Options say at which scale to run.
type Options struct {
	Time  time.Duration // of one run of a throughput; the others follow from it
	Quick bool          // the smallest scale: does everything work?
}

// warmUp is how long a run goes before it is measured.
func (o Options) warmUp() time.Duration { return o.Time / 4 }

// pick is full, or quick with Quick.
func pick[T any](o Options, full, quick T) T {
	if o.Quick {
		return quick
	}
	return full
}

// A Selection says which scenarios and libraries are wanted.
type Selection struct {
	Only      *regexp.Regexp // nil: all
	Libraries []string       // nil: all
}

// Select returns the scenarios at this scale that are wanted.
func Select(o Options, s Selection) []Scenario {
	var selected []Scenario
	for _, sc := range all(o) {
		if s.Only != nil && !s.Only.MatchString(sc.Name) {
			continue
		}
		if s.Libraries != nil {
			sc.Entries = slices.DeleteFunc(sc.Entries, func(e Entry) bool {
				return !slices.Contains(s.Libraries, e.Library)
			})
		}
		if len(sc.Entries) > 0 {
			selected = append(selected, sc)
		}
	}
	return selected
}

// Libraries are the names of all libraries.
func Libraries() []string {
	var names []string
	for _, l := range library.All {
		names = append(names, l.Name)
	}
	return names
}

// all are the scenarios at a scale, in the order in which they run.
func all(o Options) []Scenario {
	return slices.Concat(throughput(o), asClient(o), many(o), storms(o), idle(o), behindTLS(o),
		calls(), rooms(o), races(o), broadcasts(o), relays(), pauses(), stalls())
}

// each makes an entry for each library.
func each(run func(name string, o Options) (Run, error)) []Entry {
	var entries []Entry
	for _, l := range library.All {
		entries = append(entries, Entry{Library: l.Name, run: func(o Options) (Run, error) {
			return run(l.Name, o)
		}})
	}
	return entries
}

// orHandled adds wsstream's other way, behind its first.
func orHandled(entries []Entry, run func(lib string, o Options) (Run, error)) []Entry {
	return slices.Insert(entries, 1, Entry{Ours, Handled, func(o Options) (Run, error) {
		return run(library.WsstreamHandle.Name, o)
	}})
}

// The names of ways to send to many: NoLimit ends that of one whose queues grow without a limit.
const (
	NoLimit = library.NoLimit
	Feed    = library.Feed
	TryLoop = library.TryLoop
)

// Raw is the name of the limit, which is no library.
const Raw = "raw"

// Ours is the name of the library that the others are compared with.
const Ours = "wsstream"
