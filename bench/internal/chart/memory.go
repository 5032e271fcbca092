package chart

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// least is the smallest growth that is drawn, in MiB: a logarithm has no zero.
const least = 0.1

// overTime draws the growth of each server's memory in the first run of a scenario. Without figures
// it returns nil.
func overTime(r report.Result) *plot.Plot {
	p := blank("Growth of the server's memory: "+r.Scenario, "seconds", "MiB, logarithmic")
	longest, most := 0.0, 10.0
	each(r.Lines, func(l report.Line, n int) {
		i := slices.IndexFunc(l.Runs, func(run scenario.Run) bool { return len(run.Memory) > 0 })
		if i < 0 {
			return
		}
		var points plotter.XYs
		for _, m := range l.Runs[i].Memory {
			points = append(points, plotter.XY{X: m.Seconds, Y: max(least, m.RSS)})
			longest, most = max(longest, m.Seconds), max(most, m.RSS)
		}
		if line, err := plotter.NewLine(points); err == nil {
			line.LineStyle = stroke(l.Library, n)
			p.Add(line)
			p.Legend.Add(l.Name(), line)
		}
	})
	if longest == 0 {
		return nil
	}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	p.Y.Min, p.Y.Max = least, most
	p.X.Min, p.X.Max = 0, longest
	return p
}

// each calls f for the entries, with the number of each among the ways of its library. Those of
// wsstream come last, so that they are on top.
func each(entries []report.Line, f func(l report.Line, n int)) {
	for _, ours := range []bool{false, true} {
		ways := map[string]int{}
		for _, l := range entries {
			if (l.Library == scenario.Ours) == ours {
				f(l, ways[l.Library])
				ways[l.Library]++
			}
		}
	}
}
