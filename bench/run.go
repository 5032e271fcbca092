package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/wsstream/wsstream/bench/internal/chart"
	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// run is the program; it returns the exit code. The report goes to stdout, the progress to stderr.
func run(args []string, stdout, stderr io.Writer) int {
	err := command(args, stdout, stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	say(stderr, "bench: %v\n", err)
	if _, wrong := errors.AsType[flagError](err); wrong {
		return 2
	}
	return 1
}

// command does what the command line says.
func command(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "soak" {
		return soakAll(args[1:], stdout, stderr)
	}
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	return s.report(stdout, stderr)
}

// report measures what is selected, or reads it, and reports it.
func (s *settings) report(stdout, stderr io.Writer) error {
	if s.charts != "" {
		if err := os.MkdirAll(s.charts, 0o755); err != nil {
			return err
		}
	}
	if s.from == "" {
		return s.measure(stdout, stderr)
	}
	file, err := report.Read(s.from)
	if err != nil {
		return err
	}
	s.options.Quick = file.Machine.Quick
	style := styleOf(stdout)
	for _, r := range file.Results {
		say(stdout, "%s", report.Table(r, style))
	}
	return s.finish(file, style, stdout)
}

// measure runs what is selected and reports it.
func (s *settings) measure(stdout, stderr io.Writer) error {
	scenarios := scenario.Select(s.options, s.selection)
	if len(scenarios) == 0 {
		return fmt.Errorf("-only: no scenario matches %q, of those that the libraries take part in",
			s.selection.Only)
	}
	machine := report.Here() // before a file of ours changes the tree
	if s.json != "" {        // before an hour is spent
		f, err := os.OpenFile(s.json, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	if err := proc.RaiseFileLimit(); err != nil {
		return fmt.Errorf("the number of open files: %w", err)
	}
	machine.Runs, machine.RunSeconds, machine.Quick = s.runs, s.options.Time.Seconds(), s.options.Quick
	style := styleOf(stdout)
	var results []report.Result
	failures := 0
	for i, sc := range scenarios {
		say(stderr, "%d/%d %s\n", i+1, len(scenarios), sc.Name)
		r, failed := s.turns(sc, stderr)
		r.Date, r.Commit = machine.Date, machine.Commit
		results = append(results, r)
		failures += failed
		say(stdout, "%s", report.Table(r, style))
	}
	err := s.finish(report.File{Machine: machine, Results: results}, style, stdout)
	if failures > 0 {
		err = errors.Join(err, fmt.Errorf("%d runs failed", failures))
	}
	return err
}

// finish compares a file's results with the goals, and writes what is left to write. The figures of
// a smoke test say nothing about goals.
func (s *settings) finish(file report.File, style report.Style, stdout io.Writer) error {
	file.Goals = nil
	if !s.options.Quick {
		file.Goals = report.Goals(file.Results, s.options)
		say(stdout, "%s", report.GoalTable(file.Goals, style))
	}
	say(stdout, "\n%s\n", file.Machine)
	var errs []error
	if s.json != "" {
		errs = append(errs, file.Write(s.json))
	}
	if s.charts != "" {
		errs = append(errs, chart.Write(s.charts, "svg", file.Results, s.options))
	}
	return errors.Join(errs...)
}

// turns runs a scenario's entries in turns, A B C A B C …, so that what else the machine does
// befalls all alike.
func (s *settings) turns(sc scenario.Scenario, stderr io.Writer) (r report.Result, failed int) {
	r = report.Result{Scenario: sc.Name, Metrics: sc.Metrics}
	for _, e := range sc.Entries {
		r.Lines = append(r.Lines, report.Line{Library: e.Library, Way: e.Way})
	}
	runs := s.runs
	if sc.MaxRuns > 0 {
		runs = min(runs, sc.MaxRuns)
	}
	for range runs {
		for i, e := range sc.Entries {
			run, err := e.Run(s.options)
			if err != nil {
				failed++
				say(stderr, "%s, %s: %v\n", sc.Name, e.Name(), err)
				r.Lines[i].Errors = append(r.Lines[i].Errors, err.Error())
				continue
			}
			r.Lines[i].Runs = append(r.Lines[i].Runs, run)
		}
	}
	return r, failed
}

// say writes. It ignores errors, because there is no other output to report them to.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// styleOf returns the style of what w shows.
func styleOf(w io.Writer) report.Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return report.Style{}
	}
	columns, _, _ := term.GetSize(int(f.Fd())) // 0 where the terminal does not know
	return report.Style{Terminal: true, Columns: columns}
}
