package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// settings are what the command line says.
type settings struct {
	runs         int
	options      scenario.Options
	selection    scenario.Selection
	json, charts string
	from         string // a file of an earlier call, which stands in for measuring
}

// A flagError is one of the flags themselves: exit code 2.
type flagError struct{ error }

// parse reads the command line. Asked for help it prints that to stdout and returns flag.ErrHelp.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, and run prints it
	f.IntVar(&s.runs, "runs", 5, "how many `times` each scenario runs with each library, in turns")
	f.DurationVar(&s.options.Time, "time", time.Second, "how `long` one run is measured")
	f.BoolVar(&s.options.Quick, "quick", false,
		"the smallest scale, one short run each, unless -runs and -time say otherwise")
	only := f.String("only", "", "the scenarios whose names match this `regexp`")
	libs := f.String("libs", "",
		"the libraries of this `list` with commas: "+strings.Join(scenario.Libraries(), ","))
	f.StringVar(&s.json, "json", "", "the `file` for all figures")
	f.StringVar(&s.from, "from", "",
		"show again what an earlier call has written to this `file` with -json")
	f.StringVar(&s.charts, "charts", "", "the `directory` for charts, in SVG")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(stdout)
			f.Usage()
			say(stdout, "\n\"bench soak\" is a load test of wsstream alone: see bench soak -h.\n")
			return nil, err
		}
		return nil, flagError{fmt.Errorf("%w; -h shows all flags", err)}
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if s.options.Quick && !given["runs"] {
		s.runs = 1
	}
	if s.options.Quick && !given["time"] {
		s.options.Time = 50 * time.Millisecond
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("it takes no arguments, only flags: %q", f.Args())
	case given["from"] &&
		(given["runs"] || given["time"] || given["only"] || given["libs"] || given["quick"]):
		return nil, errors.New("-from shows what was measured before: it goes with -json and -charts alone")
	case s.runs < 1:
		return nil, fmt.Errorf("-runs is %d, and must be at least 1", s.runs)
	case s.options.Time <= 0:
		return nil, fmt.Errorf("-time is %v, and must be above 0", s.options.Time)
	}
	var err error
	if s.selection.Only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	if *libs != "" {
		s.selection.Libraries = strings.Split(*libs, ",")
		for _, l := range s.selection.Libraries {
			if !slices.Contains(scenario.Libraries(), l) {
				return nil, fmt.Errorf("-libs: no library %q, only %s", l,
					strings.Join(scenario.Libraries(), ", "))
			}
		}
	}
	return s, nil
}
