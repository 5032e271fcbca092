package chart

import (
	"fmt"
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/wsstream/wsstream/bench/internal/soak"
)

// The colours of the soak's lines.
var (
	serverColor  = color.RGBA{0x00, 0x00, 0x00, 0xff}
	clientsColor = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	awayColor    = color.RGBA{0xbb, 0xd8, 0xee, 0xff}
)

// A curve is one line of a panel.
type curve struct {
	name   string
	color  color.Color
	dashed bool
	value  func(p soak.Point) float64
}

// A panel is one of the charts of a soak, which stand one above the other.
type panel struct {
	title  string
	curves []curve
}

var panels = []panel{
	{"Open connections", []curve{
		{"server", serverColor, false, func(p soak.Point) float64 { return float64(p.Open) }},
	}},
	{"Messages received in a second", []curve{
		{"both", serverColor, false, func(p soak.Point) float64 { return p.Messages }},
	}},
	{"Memory of the processes, in MiB", slices.Concat(
		both("resident", false, func(u soak.Usage) float64 { return mib(u.RSS) }),
		both("heap", true, func(u soak.Usage) float64 { return mib(u.Heap) }))},
	{"Goroutines", both("", false, func(u soak.Usage) float64 { return float64(u.Goroutines) })},
	{"Descriptors", both("", false, func(u soak.Usage) float64 { return float64(u.Descriptors) })},
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// both are the curves of the server and the clients.
func both(what string, dashed bool, value func(u soak.Usage) float64) []curve {
	if what != "" {
		what = ", " + what
	}
	return []curve{
		{"server" + what, serverColor, dashed, func(p soak.Point) float64 { return value(p.Server) }},
		{"clients" + what, clientsColor, dashed,
			func(p soak.Point) float64 { return value(p.Clients) }},
	}
}

// WriteSoak draws what a soak's processes did and used over time into a file, as SVG.
func WriteSoak(file string, r *soak.Result) error {
	const wide, high, margin, column = 9 * vg.Inch, 2 * vg.Inch, 12, 120
	c, err := draw.NewFormattedCanvas(wide, high*vg.Length(len(panels)), "svg")
	if err != nil {
		return err
	}
	whole := draw.New(c)
	whole.SetColor(color.White)
	whole.Fill(whole.Path())
	for i, panel := range panels {
		p, err := panel.plot(r, i == len(panels)-1)
		if err != nil {
			return err
		}
		top := high * vg.Length(i)
		area := draw.Crop(whole, margin, -margin, whole.Size().Y-top-high+margin/2, -top-margin/2)
		legend := p.Legend
		p.Legend = plot.NewLegend() // none
		p.Draw(draw.Crop(area, 0, -column, 0, 0))
		legend.Draw(draw.Crop(area, area.Size().X-column+8, 0, 0, 0))
	}
	return writeFile(file, c)
}

// plot draws one panel. The last one names the axis of time.
func (n panel) plot(r *soak.Result, last bool) (*plot.Plot, error) {
	p := blank(n.title, "", "")
	p.Y.Tick.Marker = aligned{}
	if last {
		p.X.Label.Text = "seconds (pale: the server is restarted)"
	}
	p.Title.TextStyle.Font.Size = vg.Points(11)
	p.Title.Padding = vg.Points(4)
	p.Legend.YOffs = -vg.Points(20)
	most, longest := 1.0, 1.0
	var lines []*plotter.Line
	for _, c := range n.curves {
		var xys plotter.XYs
		for _, point := range r.Points {
			v := c.value(point)
			xys = append(xys, plotter.XY{X: point.Seconds, Y: v})
			most, longest = max(most, v), max(longest, point.Seconds)
		}
		line, err := plotter.NewLine(xys)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = c.color, vg.Points(1.2)
		if c.dashed {
			line.Dashes = []vg.Length{vg.Points(3), vg.Points(2)}
		}
		lines = append(lines, line)
		if len(n.curves) > 1 {
			p.Legend.Add(c.name, line)
		}
	}
	most *= 1.05
	for _, away := range r.RestartsAt {
		band, err := plotter.NewPolygon(plotter.XYs{{X: away.From, Y: 0}, {X: away.From, Y: most},
			{X: away.To, Y: most}, {X: away.To, Y: 0}})
		if err != nil {
			return nil, err
		}
		band.Color, band.LineStyle.Width = awayColor, 0
		p.Add(band)
	}
	for _, line := range lines {
		p.Add(line)
	}
	p.X.Min, p.X.Max = 0, longest
	p.Y.Min, p.Y.Max = 0, most
	return p, nil
}

// aligned are ticks whose labels are equally wide, so that the axes of panels are aligned. A space
// is half as wide as a digit.
type aligned struct{}

// Ticks implements plot.Ticker.
func (aligned) Ticks(from, to float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(from, to)
	for i, t := range ticks {
		if t.Label != "" {
			label := fmt.Sprintf("%.0f", t.Value)
			ticks[i].Label = strings.Repeat(noBreak, 2*max(0, 5-len(label))) + label
		}
	}
	return ticks
}

const noBreak = "\u00a0" // SVG drops other spaces
