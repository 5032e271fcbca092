// Command mutate breaks the code of packages, one expression at a time, and checks that their tests
// notice. Its mutants are those of gremlins, which go.mod pins:
//
//	go run ./tools/mutate internal/credit internal/gate
//	go run ./tools/mutate -tests internal/wire,. internal/wire
//
// For each package it prints a line of figures. docs/mutants.md lists the survivors, and says why
// each may live. mutate prints the survivors that the page does not list. It fails if there are
// any, or if a package is below -least.
//
// gremlins builds the tests anew for each mutant, and runs all of them. That takes hours for
// internal/wire. mutate builds all mutants into one test binary, and an environment variable
// selects one. It first runs each test alone, and notes which expressions the test evaluates. So a
// mutant meets only the tests that evaluate it, the fast ones first. An expression that must be
// constant cannot be selected at run time. Its mutants have their own builds, and meet all tests.
//
// A mutant is killed if a test fails twice in a row. So a test that now and then fails under load
// kills nothing. A mutant is timed out if its tests hang twice, or use too much processor time. The
// limit is a second more than ten times what they need without it. That counts as killed. A mutant
// that does not compile does not count. Neither does a second mutant with the same text, nor one in
// a file for another platform.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The fates of a mutant.
const (
	killed     = "killed"
	timedOut   = "timed out"
	lived      = "lived"
	notCovered = "not covered"
	notViable  = "not viable"
)

type options struct {
	tests   string
	page    string
	results string
	again   bool
	files   string
	match   string
	fast    time.Duration
	workers int
	least   float64
	verbose bool
}

// everyTest matches the names of all tests.
const everyTest = "^(Test|Fuzz|Example)"

func main() {
	var o options
	flag.StringVar(&o.tests, "tests", "", "the packages whose tests try the mutants, one after another, "+
		"with commas; by default the package itself")
	flag.StringVar(&o.page, "page", "docs/mutants.md", "the page that lists the survivors")
	flag.StringVar(&o.results, "o", "", "a folder for the results, a file for each package")
	flag.BoolVar(&o.again, "again", false, "take over from these results what was killed before")
	flag.StringVar(&o.files, "files", "", "try the mutants of these files alone, with commas")
	flag.StringVar(&o.match, "run", everyTest, "try them with the tests that match")
	flag.DurationVar(&o.fast, "fast", time.Hour, "leave out tests that cost more: processor time, and a tenth of the time that they take")
	flag.IntVar(&o.workers, "workers", 1, "how many mutants to test concurrently")
	flag.Float64Var(&o.least, "least", 95, "the percentage of covered mutants that must be killed")
	flag.BoolVar(&o.verbose, "v", false, "print the fate of each mutant as it is known")
	flag.Parse()

	if err := o.runAll(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func (o options) runAll(dirs []string) error {
	work, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	text, err := os.ReadFile(o.page)
	if err != nil {
		return err
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	say("%-18s %8s %7s %9s %6s %11s %9s\n",
		"package", "mutants", killed, timedOut, lived, notCovered, "efficacy")
	var low, unlisted bool
	for _, dir := range dirs {
		dir = filepath.Clean(dir)
		mutants, err := o.run(dir, work)
		if err != nil {
			return err
		}
		low = figures(dir, mutants) < o.least || low
		for _, m := range mutants {
			if (m.Fate == lived || m.Fate == notCovered) && !strings.Contains(page, m.item()) {
				unlisted = true
				say("  %-11s %s:%d:%d %s\n", m.Fate, m.File, m.Line, m.Column, m.item())
			}
		}
	}
	switch {
	case low:
		return fmt.Errorf("less than %.0f %% of the covered mutants were killed", o.least)
	case unlisted:
		return fmt.Errorf("%s does not list the survivors above", o.page)
	}
	return nil
}

func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format, args...) }

// run tests all mutants of the package in dir.
func (o options) run(dir, work string) ([]*mutant, error) {
	mutants, err := o.list(dir, work)
	if err != nil {
		return nil, err
	}
	if o.again {
		if err := o.takeOver(dir, mutants); err != nil {
			return nil, err
		}
	}
	p, err := prepare(dir, work, mutants)
	if err != nil {
		return nil, err
	}
	for tests := range strings.SplitSeq(cmp.Or(o.tests, dir), ",") {
		if err := o.test(p, filepath.Clean(tests), mutants); err != nil {
			return nil, err
		}
	}
	return mutants, o.save(dir, mutants)
}

// test tries the mutants that are still alive with the tests of the package in dir.
func (o options) test(p *program, dir string, mutants []*mutant) error {
	alive := slices.DeleteFunc(slices.Clone(mutants), (*mutant).dead)
	if len(alive) == 0 {
		return nil
	}
	s, err := p.suite(dir, o.match, o.fast)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := make(chan *mutant)
	for range o.workers {
		wg.Go(func() { // ends when next is closed, and run waits for it
			for m := range next {
				fate, by, err := s.try(m)
				mu.Lock()
				if err != nil {
					fmt.Fprintln(os.Stderr, "mutate:", m, err)
				} else if m.Fate == "" || m.Fate == notCovered || fate != notCovered {
					m.Fate, m.By = fate, by
				}
				if err := o.save(p.dir, mutants); err != nil { // a run of hours may be interrupted
					fmt.Fprintln(os.Stderr, "mutate:", err)
				}
				if o.verbose {
					say("%-11s %s (%s)\n", m.Fate, m, m.By)
				}
				mu.Unlock()
			}
		})
	}
	slices.SortStableFunc(alive, func(a, b *mutant) int { // those that take longest come last
		switch {
		case a.single == b.single:
			return 0
		case b.single:
			return -1
		}
		return 1
	})
	for _, m := range alive {
		next <- m
	}
	close(next)
	wg.Wait()
	return nil
}

// figures prints the line of a package, and returns the percentage of covered mutants that were
// killed.
func figures(dir string, mutants []*mutant) float64 {
	n := map[string]int{}
	for _, m := range mutants {
		n[m.Fate]++
	}
	dead := n[killed] + n[timedOut]
	efficacy := 100.0
	if covered := dead + n[lived]; covered > 0 {
		efficacy = 100 * float64(dead) / float64(covered)
	}
	say("%-18s %8d %7d %9d %6d %11d %7.1f %%\n", dir, len(mutants)-n[notViable],
		n[killed], n[timedOut], n[lived], n[notCovered], efficacy)
	return efficacy
}

func (o options) file(dir string) string {
	return filepath.Join(o.results, strings.ReplaceAll(dir, "/", "-")+".json")
}

func (o options) save(dir string, mutants []*mutant) error {
	if o.results == "" {
		return nil
	}
	text, err := json.MarshalIndent(mutants, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(o.file(dir), append(text, '\n'), 0o600)
}

// takeOver gives the mutants the fates of the last run. A line may have moved meanwhile.
func (o options) takeOver(dir string, mutants []*mutant) error {
	text, err := os.ReadFile(o.file(dir))
	if err != nil {
		return err
	}
	var before []*mutant
	if err := json.Unmarshal(text, &before); err != nil {
		return err
	}
	fates := map[string]*mutant{}
	for _, m := range before {
		fates[m.key()] = m
	}
	for _, m := range mutants {
		if b := fates[m.key()]; b != nil && b.dead() {
			m.Fate, m.By = b.Fate, b.By
		}
	}
	return nil
}

// list asks gremlins for the mutants of a package, or of some of its files. Coverage is measured
// elsewhere.
func (o options) list(dir, work string) ([]*mutant, error) {
	out := filepath.Join(work, "gremlins.json")
	gremlins := exec.Command("go", "tool", "-n", "gremlins")
	gremlins.Stderr = os.Stderr
	path, err := gremlins.Output()
	if err != nil {
		return nil, err
	}
	command := exec.Command(strings.TrimSpace(string(path)), "unleash", "--dry-run", "--workers=1",
		"-o", out, "./"+dir)
	command.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -run=^$")
	if text, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gremlins: %w\n%s", err, text)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	var found struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type         string
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	var mutants []*mutant
	for _, f := range found.Files {
		if strings.Contains(f.Name, "/") {
			continue // a package below this one
		}
		if o.files != "" && !slices.Contains(strings.Split(o.files, ","), f.Name) {
			continue
		}
		for _, m := range f.Mutations {
			mutants = append(mutants, &mutant{File: f.Name, Line: m.Line, Column: m.Column, Type: m.Type})
		}
	}
	slices.SortFunc(mutants, func(a, b *mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column,
			cmp.Compare(a.Type, b.Type))
	})
	return inspect(dir, mutants)
}
