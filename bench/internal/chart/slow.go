package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// share draws what a fast consumer gets against how many of the others are held up. Nil: there is less than two.
func share(results byName, o scenario.Options, how string) *plot.Plot {
	points := map[string]plotter.XYs{}
	var entries []report.Line
	var ticks []plot.Tick
	for _, held := range scenario.Shares(o) {
		r, ok := results[scenario.RoomName(o, held, how)]
		if !ok {
			continue
		}
		if entries == nil {
			entries = r.Lines
		}
		ticks = append(ticks, plot.Tick{Value: float64(held), Label: fmt.Sprint(held)})
		for _, l := range r.Lines {
			if v := l.Stat(scenario.FastRate).Median; !math.IsNaN(v) {
				points[l.Name()] = append(points[l.Name()], plotter.XY{X: float64(held), Y: v})
			}
		}
	}
	if len(ticks) < 2 {
		return nil
	}
	n := scenario.Consumers(o)
	p := blank(fmt.Sprintf("One server sends to %d consumers: what a fast one gets", n),
		fmt.Sprintf("consumers of %d that are %s", n, how), "messages a second")
	each(entries, func(l report.Line, second bool) { lines(p, l, second, true, points[l.Name()]) })
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Min, p.X.Min = 0, 0
	p.X.Max = ticks[len(ticks)-1].Value * 1.75 // room for the legend
	return p
}

// each calls f for the entries, wsstream's last so that they are on top, and says which are a library's second way.
func each(entries []report.Line, f func(l report.Line, second bool)) {
	for _, ours := range []bool{false, true} {
		last := ""
		for _, l := range entries {
			if (l.Library == scenario.Ours) == ours {
				f(l, l.Library == last)
			}
			last = l.Library
		}
	}
}
