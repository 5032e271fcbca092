package chart

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// A look is how a library is drawn, in all charts alike: with colours that those who see few of them can tell apart
// (those of Okabe and Ito), and a shape of its own.
type look struct {
	color color.RGBA
	shape draw.GlyphDrawer
}

var looks = map[string]look{
	scenario.Ours: {color.RGBA{0x00, 0x00, 0x00, 0xff}, draw.CircleGlyph{}},
	"gorilla":     {color.RGBA{0xd5, 0x5e, 0x00, 0xff}, draw.PyramidGlyph{}},
	"coder":       {color.RGBA{0x00, 0x72, 0xb2, 0xff}, draw.BoxGlyph{}},
	"gws":         {color.RGBA{0x00, 0x9e, 0x73, 0xff}, draw.TriangleGlyph{}},
	"nbio":        {color.RGBA{0xcc, 0x79, 0xa7, 0xff}, draw.SquareGlyph{}},
	"gobwas":      {color.RGBA{0xe6, 0x9f, 0x00, 0xff}, draw.PlusGlyph{}},
	scenario.Raw:  {color.RGBA{0x99, 0x99, 0x99, 0xff}, draw.CrossGlyph{}},
}

// glyph is the mark of a library.
func glyph(lib string) draw.GlyphStyle {
	g := draw.GlyphStyle{Color: looks[lib].color, Shape: looks[lib].shape, Radius: vg.Points(4)}
	if lib == scenario.Ours {
		g.Radius = vg.Points(5.5)
	}
	return g
}

// lines draws an entry's points as a line, with marks or without: dashed if it is the library's second way.
func lines(p *plot.Plot, l report.Line, second, marks bool, points plotter.XYs) {
	line, scatter, err := plotter.NewLinePoints(points)
	if err != nil {
		return // no points
	}
	line.Color, line.Width = looks[l.Library].color, vg.Points(1.5)
	if l.Library == scenario.Ours {
		line.Width = vg.Points(3)
	}
	if second {
		line.Dashes = []vg.Length{vg.Points(6), vg.Points(4)}
	}
	p.Add(line)
	if !marks {
		p.Legend.Add(l.Name(), line)
		return
	}
	scatter.GlyphStyle = glyph(l.Library)
	p.Add(scatter)
	p.Legend.Add(l.Name(), line, scatter)
}

// blank is an empty chart with a grid behind it and room for a legend at its right.
func blank(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font.Size = vg.Points(14)
	p.Title.Padding = vg.Points(8)
	p.BackgroundColor = color.White
	grid := plotter.NewGrid()
	pale := color.Gray{0xdd}
	grid.Horizontal.Color, grid.Vertical.Color = pale, pale
	p.Add(grid)
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(3)
	p.Legend.ThumbnailWidth = vg.Points(28)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	return p
}
