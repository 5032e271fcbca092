package chart

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// blues and reds are the colours of bars: the more consumers are slow or stopped, the darker.
var (
	none  = color.RGBA{0x99, 0x99, 0x99, 0xff}
	blues = []color.RGBA{{0x8c, 0xbf, 0xe6, 0xff}, {0x1f, 0x6f, 0xb4, 0xff}}
	reds  = []color.RGBA{{0xf2, 0xae, 0x7c, 0xff}, {0xc8, 0x46, 0x00, 0xff}}
)

// A bar is one of those that each entry has.
type bar struct {
	label  string
	color  color.Color
	result report.Result
}

// held draws what a fast consumer gets. Each library's way to send to many has a row. In it each
// number of slow or stopped consumers has a bar. Without figures held returns nil.
func held(results byName, o scenario.Options) *plot.Plot {
	bars, entries := heldBars(results, o)
	if len(bars) == 0 {
		return nil
	}
	p := blank(fmt.Sprintf("One server sends to %d consumers: what each fast one gets (no bar: nothing)", scenario.Consumers(o)),
		"messages a second", "")
	const high = vg.Length(6)
	var names []string
	for _, l := range entries {
		names = append(names, l.Name()+gap)
	}
	most := 0.0
	for i, b := range bars {
		var values plotter.Values
		for _, l := range entries {
			values = append(values, fastRate(b.result, l))
		}
		most = max(most, slices.Max(values))
		chart, err := plotter.NewBarChart(values, high)
		if err != nil {
			return nil
		}
		chart.Horizontal, chart.Color, chart.LineStyle.Width = true, b.color, 0
		chart.Offset = high * (vg.Length(len(bars)-1)/2 - vg.Length(i)) // the first is at the top
		p.Add(chart)
		p.Legend.Add(b.label, chart)
	}
	p.NominalY(names...)
	p.X.Min, p.X.Max = 0, most
	p.X.Tick.Marker = hundreds{}
	p.Y.Min, p.Y.Max = -0.6, float64(len(names))-0.4
	return p
}

// heldBars returns the bars that there are figures for, and the entries from the bottom to the top.
func heldBars(results byName, o scenario.Options) (bars []bar, entries []report.Line) {
	for _, how := range []string{scenario.Slow, scenario.Stopped} {
		for i, n := range scenario.Shares(o) {
			r, ok := results[scenario.RoomName(o, n, how)]
			if !ok || n == 0 && how == scenario.Stopped {
				continue
			}
			b := bar{fmt.Sprintf("%d %s", n, how), none, r}
			switch {
			case n == 0:
				b.label = "all fast"
			case how == scenario.Slow:
				b.color = blues[(i-1)%len(blues)]
			default:
				b.color = reds[(i-1)%len(reds)]
			}
			bars = append(bars, b)
			if entries == nil {
				entries = slices.Clone(r.Lines)
				slices.Reverse(entries)
			}
		}
	}
	return bars, entries
}

// fastRate is what entry got in a result, 0 if it is not there.
func fastRate(r report.Result, entry report.Line) float64 {
	for _, l := range r.Lines {
		if v := l.Stat(scenario.FastRate).Median; l.Name() == entry.Name() && !math.IsNaN(v) {
			return v
		}
	}
	return 0
}

// hundreds are ticks at each multiple of 100.
type hundreds struct{}

// Ticks implements plot.Ticker.
func (hundreds) Ticks(from, to float64) (ticks []plot.Tick) {
	for v := math.Ceil(from/100) * 100; v <= to; v += 100 {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.0f", v)})
	}
	return ticks
}
