package chart

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// A look is how a library is drawn in all charts. The colours are those of Okabe and Ito, which
// colour-blind readers can tell apart. Each library has a shape of its own.
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
	scenario.Raw:  {color.RGBA{0x77, 0x77, 0x77, 0xff}, draw.CrossGlyph{}},
}

// glyph is the mark of a library.
func glyph(lib string) draw.GlyphStyle {
	g := draw.GlyphStyle{Color: looks[lib].color, Shape: looks[lib].shape, Radius: vg.Points(4)}
	if lib == scenario.Ours {
		g.Radius = vg.Points(7) // it is under the others
	}
	return g
}

// dashes are those of the line of a library's first way, its second and its third.
var dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(4)}, {vg.Points(2), vg.Points(2)}}

// stroke is the line of a library, in its way number n.
func stroke(lib string, n int) draw.LineStyle {
	s := draw.LineStyle{Color: looks[lib].color, Width: vg.Points(1.5)}
	if lib == scenario.Ours {
		s.Width = vg.Points(3)
	}
	s.Dashes = dashes[n%len(dashes)]
	return s
}

// gap keeps a label from what is drawn behind it where the reader's font is wider than ours.
const gap = "    "

// blank is an empty chart with a grid behind it. Its legend begins below the title.
func blank(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(10)
	p.BackgroundColor = color.White
	grid := plotter.NewGrid()
	pale := color.Gray{0xdd}
	grid.Horizontal.Color, grid.Vertical.Color = pale, pale
	p.Add(grid)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(3)
	p.Legend.YOffs = -vg.Points(26)
	p.Legend.ThumbnailWidth = vg.Points(28)
	for _, style := range []*draw.TextStyle{
		&p.Title.TextStyle, &p.Legend.TextStyle,
		&p.X.Label.TextStyle, &p.Y.Label.TextStyle,
		&p.X.Tick.Label, &p.Y.Tick.Label,
	} {
		style.Font.Variant, style.Font.Size = "Sans", vg.Points(10)
	}
	p.Title.TextStyle.Font.Size = vg.Points(13)
	return p
}
