// Package chart draws what was measured.
package chart

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// Write draws charts into files of dir, each chart that results have the figures for. The results
// were measured at the scale of o. The format is ext, svg or png.
func Write(dir, ext string, results []report.Result, o scenario.Options) error {
	r := byName{}
	for _, result := range results {
		r[result.Scenario] = result
	}
	shares := scenario.Shares(o)
	worst := scenario.RoomName(o, shares[len(shares)-1], scenario.Stopped)
	var errs []error
	for _, c := range []struct {
		name string
		plot *plot.Plot
		high vg.Length
	}{
		{"room-1k", race(r, 1<<10, o), 6 * vg.Inch},
		{"room-64", race(r, 64, o), 6 * vg.Inch},
		{"throughput", throughput(r), 7 * vg.Inch},
		{"slow", held(r, o), 9 * vg.Inch},
		{"memory-room", overTime(r[worst]), 5 * vg.Inch},
		{"memory-relay", overTime(r[scenario.RelayName]), 5 * vg.Inch},
	} {
		if c.plot != nil {
			errs = append(errs, save(c.plot, c.high, filepath.Join(dir, c.name+"."+ext), ext))
		}
	}
	return errors.Join(errs...)
}

// byName are results by the names of their scenarios.
type byName map[string]report.Result

// save draws p with a margin around it, and its legend in a column of its own at the right.
func save(p *plot.Plot, high vg.Length, file, ext string) error {
	const wide, margin, gap = 9 * vg.Inch, 12, 16
	c, err := draw.NewFormattedCanvas(wide, high, ext)
	if err != nil {
		return err
	}
	whole := draw.New(c)
	whole.SetColor(p.BackgroundColor)
	whole.Fill(whole.Path())
	inner := draw.Crop(whole, margin, -margin, margin, -margin)
	legend := p.Legend
	p.Legend = plot.NewLegend() // none
	size := legend.Rectangle(inner).Size()
	p.Draw(draw.Crop(inner, 0, -size.X-gap, 0, 0))
	legend.Draw(draw.Crop(inner, inner.Size().X-size.X, 0, 0, 0))
	return writeFile(file, c)
}

// writeFile writes a drawing to file.
func writeFile(file string, c io.WriterTo) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = c.WriteTo(f)
	return err
}
