package report

import (
	"fmt"
	"math"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// A Goal is one thing that was asked of wsstream, and what was measured of it.
type Goal struct {
	Scenario string
	Asked    string
	Measured string
	Met      *bool `json:",omitempty"` // nil: it was not measured
}

// Verdict is met, missed or not measured.
func (g Goal) Verdict() string {
	switch {
	case g.Met == nil:
		return "not measured"
	case *g.Met:
		return "met"
	}
	return "missed"
}

// A board looks goals up in results.
type board struct {
	results []Result
	options scenario.Options
	goals   []Goal
}

// Goals compares results, which were measured with o, with all that was asked.
func Goals(results []Result, o scenario.Options) []Goal {
	b := &board{results: results, options: o}
	b.speed()
	b.cost()
	b.crowds()
	b.rooms()
	b.slow()
	return b.goals
}

// result returns what a scenario gave, empty if it was not run.
func (b *board) result(name string) Result {
	for _, r := range b.results {
		if r.Scenario == name {
			return r
		}
	}
	return Result{Scenario: name}
}

// add adds a goal about a value, which is met if it is at least the least. NaN was not measured.
func (b *board) add(name, asked string, value float64, unit string, met bool) {
	g := Goal{Scenario: name, Asked: asked}
	if !math.IsNaN(value) {
		g.Measured, g.Met = Number(value)+unit, &met
	}
	b.goals = append(b.goals, g)
}

// least asks that wsstream is so many times as good as other in a metric.
func (b *board) least(r Result, metric string, lower bool, than string, other, least float64) {
	ratio := Ratio(r.ours(metric), other, lower)
	b.add(r.Scenario, fmt.Sprintf("%s: ≥ %s× %s", metric, trim(least), than), ratio, "×",
		ratio >= least)
}

// most asks that wsstream's value is at most so much.
func (b *board) most(name, what string, value, most float64, unit string) {
	b.add(name, fmt.Sprintf("%s: ≤ %s%s", what, trim(most), unit), value, unit, value <= most)
}

// trim writes v as it was asked.
func trim(v float64) string { return fmt.Sprintf("%g", math.Round(v*1000)/1000) }

// GoalTable returns goals as a table.
func GoalTable(goals []Goal, s Style) string {
	rows := [][]string{{"scenario", "asked", "measured", ""}}
	for _, g := range goals {
		verdict := g.Verdict()
		if g.Met != nil && !*g.Met {
			verdict = s.bold(verdict)
		}
		rows = append(rows, []string{g.Scenario, g.Asked, g.Measured, verdict})
	}
	return markdown("goals", rows)
}
