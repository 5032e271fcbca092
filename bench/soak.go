package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wsstream/wsstream/bench/internal/chart"
	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/soak"
)

// soakSettings are what the command line of "bench soak" says.
type soakSettings struct {
	soak.Config
	json, chart string
}

// parseSoak reads the command line behind "soak".
func parseSoak(args []string, stdout io.Writer) (*soakSettings, error) {
	s := &soakSettings{}
	f := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, and run prints it
	f.DurationVar(&s.For, "for", 10*time.Minute, "how `long` the load lasts")
	f.IntVar(&s.Conns, "conns", 8000, "the `number` of clients")
	f.IntVar(&s.Restarts, "restarts", -1,
		"how many `times` the server is restarted meanwhile; -1: every other minute")
	f.Uint64Var(&s.Seed, "seed", 0, "the `seed` of what each connection does; 0: a random one")
	f.StringVar(&s.json, "json", "", "the `file` for all figures")
	f.StringVar(&s.chart, "chart", "", "the `file` for a chart, in SVG")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(stdout)
			f.Usage()
			return nil, err
		}
		return nil, flagError{fmt.Errorf("soak: %w; soak -h shows all flags", err)}
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("soak takes no arguments, only flags: %q", f.Args())
	}
	if s.Restarts == -1 {
		s.Restarts = max(1, int(s.For/(2*time.Minute))-1)
	}
	for s.Seed == 0 {
		s.Seed = rand.Uint64N(1_000_000)
	}
	return s, s.Check()
}

// A soakFile is what -json writes.
type soakFile struct {
	Machine report.Machine
	Result  *soak.Result
}

// soakAll runs "bench soak". An error says what was wrong.
func soakAll(args []string, stdout, stderr io.Writer) error {
	s, err := parseSoak(args, stdout)
	if err != nil {
		return err
	}
	machine := report.Here() // before a file of ours changes the tree
	machine.Runs, machine.RunSeconds = 1, s.For.Seconds()
	for _, name := range []string{s.json, s.chart} { // before the time is spent
		if name == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		_ = file.Close()
	}
	say(stderr, "soak: %d clients for %v, seed %d\n", s.Conns, s.For, s.Seed)
	result, err := soak.Run(s.Config, progressOf(stderr))
	if err != nil {
		return err
	}
	say(stdout, "%s\n%s\n", result.Report(), machine)
	var errs []error
	if s.json != "" {
		data, err := json.MarshalIndent(soakFile{machine, result}, "", "\t")
		errs = append(errs, err)
		if err == nil {
			errs = append(errs, os.WriteFile(s.json, append(data, '\n'), 0o644))
		}
	}
	if s.chart != "" {
		errs = append(errs, chart.WriteSoak(s.chart, result))
	}
	if result.Broken > 0 {
		errs = append(errs, fmt.Errorf("soak, seed %d: %d faults:\n%s", s.Seed, result.Broken,
			strings.Join(result.Faults, "\n")))
	}
	return errors.Join(errs...)
}

const progressEvery = 10 // seconds between two lines where there is no terminal

// progressOf shows how far a run is: in one line that changes at a terminal, or else in a line each
// ten seconds.
func progressOf(w io.Writer) func(r *soak.Result) {
	live, next := styleOf(w).Terminal, 0.0
	return func(r *soak.Result) {
		line := r.Progress()
		switch now := r.Points[len(r.Points)-1].Seconds; {
		case live:
			say(w, "\r%s\x1b[K", line)
			if now > r.For.Seconds() {
				say(w, "\r\x1b[K")
			}
		case now >= next || now < next-progressEvery: // or it began anew, after the first connections
			say(w, "%s\n", line)
			next = now + progressEvery
		}
	}
}
