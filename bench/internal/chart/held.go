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

// barHeight is how high a bar is.
const barHeight = vg.Length(6)

// A bar is one of those that each entry has.
type bar struct {
	label  string
	color  color.Color
	result report.Result
}

// A barChart has a row for each library's way to send to many. In it each number of slow or stopped
// consumers has a bar.
type barChart struct {
	title, axis string
	metric      string
	bars        []bar
	entries     []report.Line // from the bottom to the top
}

// held is what a fast consumer gets at a pace that is the same for all.
func held(results byName, o scenario.Options) *plot.Plot {
	c := barChart{
		title: fmt.Sprintf("One server sends to %d consumers: what each fast one gets (no bar: nothing)",
			scenario.Consumers(o)),
		axis:   "messages a second",
		metric: scenario.FastRate,
	}
	for _, how := range []string{scenario.Slow, scenario.Stopped} {
		for i, n := range scenario.Shares(o) {
			if n > 0 || how == scenario.Slow {
				c.add(results[scenario.RoomName(o, n, how)], i, n, how)
			}
		}
	}
	return c.plot()
}

// race is the highest rate at which no fast consumer loses anything, with messages of this size.
func race(results byName, size int, o scenario.Options) *plot.Plot {
	c := barChart{
		title: fmt.Sprintf("One to %d: the most that each fast consumer gets without a loss"+
			" (no bar: nothing)", scenario.Consumers(o)),
		axis:   scenario.Sized("messages a second", size) + " each",
		metric: scenario.Lossless,
	}
	for i, n := range scenario.Shares(o) {
		c.add(results[scenario.RaceName(o, n, size)], i, n, scenario.Stopped)
	}
	return c.plot()
}

// add adds the bars of a result, in which n consumers are slow or stopped: share number i of them.
func (c *barChart) add(r report.Result, i, n int, how string) {
	if len(r.Lines) == 0 {
		return
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
	c.bars = append(c.bars, b)
	if c.entries == nil {
		c.entries = slices.Clone(r.Lines)
		slices.Reverse(c.entries)
	}
}

// plot draws the chart. Without figures it returns nil.
func (c *barChart) plot() *plot.Plot {
	if len(c.bars) == 0 {
		return nil
	}
	p := blank(c.title, c.axis, "")
	var names []string
	for _, l := range c.entries {
		names = append(names, l.Name()+gap)
	}
	most := 0.0
	for i, b := range c.bars {
		var values plotter.Values
		for _, l := range c.entries {
			values = append(values, c.value(b.result, l))
		}
		most = max(most, slices.Max(values))
		chart, err := plotter.NewBarChart(values, barHeight)
		if err != nil {
			return nil
		}
		chart.Horizontal, chart.Color, chart.LineStyle.Width = true, b.color, 0
		chart.Offset = barHeight * (vg.Length(len(c.bars)-1)/2 - vg.Length(i)) // the first is at the top
		p.Add(chart)
		p.Legend.Add(b.label, chart)
	}
	p.NominalY(names...)
	p.X.Min, p.X.Max = 0, most
	p.X.Tick.Marker = steps{}
	p.Y.Min, p.Y.Max = -0.6, float64(len(names))-0.4
	return p
}

// value is what entry got in a result, 0 if it is not there.
func (c *barChart) value(r report.Result, entry report.Line) float64 {
	for _, l := range r.Lines {
		if v := l.Stat(c.metric).Median; l.Name() == entry.Name() && !math.IsNaN(v) {
			return v
		}
	}
	return 0
}

// steps are ticks at each multiple of 1, 2 or 5 times a power of ten: ten of them at most.
type steps struct{}

// Ticks implements plot.Ticker.
func (steps) Ticks(from, to float64) (ticks []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10((to-from)/10)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (to-from)/(step*times) <= 10 {
			step *= times
			break
		}
	}
	for n := math.Ceil(from / step); n*step <= to; n++ {
		ticks = append(ticks, plot.Tick{Value: n * step, Label: fmt.Sprintf("%.10g", n*step)})
	}
	return ticks
}
