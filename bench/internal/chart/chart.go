// Package chart draws what was measured.
package chart

import (
	"errors"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// Write draws the charts that results, measured at the scale of o, have the figures for, into files of dir, as ext
// says: svg or png.
func Write(dir, ext string, results []report.Result, o scenario.Options) error {
	r := byName{}
	for _, result := range results {
		r[result.Scenario] = result
	}
	shares := scenario.Shares(o)
	worst := scenario.RoomName(o, shares[len(shares)-1], scenario.Stopped)
	const wide, high = 9 * vg.Inch, 5 * vg.Inch
	var errs []error
	for _, c := range []struct {
		name string
		plot *plot.Plot
		high vg.Length
	}{
		{"throughput", throughput(r), 1.3 * high},
		{"slow", share(r, o, scenario.Slow), high},
		{"stopped", share(r, o, scenario.Stopped), high},
		{"memory-room", overTime(r[worst]), high},
		{"memory-relay", overTime(r[scenario.RelayName]), high},
	} {
		if c.plot != nil {
			errs = append(errs, c.plot.Save(wide, c.high, filepath.Join(dir, c.name+"."+ext)))
		}
	}
	return errors.Join(errs...)
}

// byName are results by the names of their scenarios.
type byName map[string]report.Result
