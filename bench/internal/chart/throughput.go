package chart

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// throughput draws how many times as fast as the best peer each library is. Each scenario of one
// connection has a row. Without figures throughput returns nil.
func throughput(results byName) *plot.Plot {
	var rows []report.Result
	for _, name := range []string{
		scenario.PingPong, scenario.Pipeline, scenario.Source, scenario.Sink, scenario.Both,
	} {
		for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
			if r, ok := results[scenario.Sized(name, size)]; ok {
				rows = append(rows, r)
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	slices.Reverse(rows) // the first is at the top
	p := blank("Speed, as a multiple of the best peer's (ping-pong: of its median time)",
		"times the best peer's, logarithmic", "")
	points := map[string]plotter.XYs{}
	var names []string
	least, most := 0.5, 2.0
	for y, r := range rows {
		names = append(names, r.Scenario)
		for _, l := range r.Lines {
			ratio := r.TimesBest(l)
			if math.IsNaN(ratio) || math.IsInf(ratio, 0) || ratio <= 0 {
				continue
			}
			points[l.Library] = append(points[l.Library], plotter.XY{X: ratio, Y: float64(y)})
			least, most = min(least, ratio), max(most, ratio)
		}
	}
	one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(rows)) - 0.5}})
	if err != nil {
		return nil
	}
	p.Add(one)
	for _, lib := range scenario.Libraries() {
		if s, err := plotter.NewScatter(points[lib]); err == nil && len(points[lib]) > 0 {
			s.GlyphStyle = glyph(lib)
			p.Add(s)
			p.Legend.Add(lib, s)
		}
	}
	p.NominalY(names...)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	p.X.Min, p.X.Max = least/1.1, most*1.1 // room for the marks
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
	return p
}

// decades are ticks of a logarithmic axis at 1, 2 and 5 of each power of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(from, to float64) []plot.Tick {
	var ticks []plot.Tick
	wide := to/from > 2000 // only the powers are named
	for power := math.Floor(math.Log10(from)); math.Pow(10, power) <= to; power++ {
		for _, digit := range []float64{1, 2, 5} {
			v := digit * math.Pow(10, power)
			if v < from || v > to {
				continue
			}
			label := fmt.Sprintf("%.10g", v)
			if wide && digit != 1 {
				label = ""
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}
