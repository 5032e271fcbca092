package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// What a run may use, in addition to ten times what it needs without a mutant. A run over its
// processor time is in an endless loop, however loaded the machine is.
const (
	spareCPU  = time.Second
	spareWall = 10 * time.Second
	factor    = 10
	mostBytes = 8 << 30 // of address space
)

// A suite has the tests of one package, built with all mutants.
type suite struct {
	p     *program
	dir   string
	tests []*test // the fast ones first
}

// A test is what -test.run can select: a test, an example, or a fuzz target with its corpus.
type test struct {
	name      string
	cpu, wall time.Duration
	kills     atomic.Int32
	meets     map[int]bool // the mutants whose expressions it evaluates
}

// cost is how much a run of the test delays the others.
func (t *test) cost() time.Duration { return t.cpu + t.wall/10 }

// suite builds the tests of a package, and runs each that matches without a mutant. It keeps the
// fast ones.
func (p *program) suite(dir, match string, fast time.Duration) (*suite, error) {
	s := &suite{p: p, dir: dir}
	binary, err := s.build(p.overlay, "all")
	if err != nil {
		return nil, err
	}
	names, err := s.command(binary, 0, 0, "-test.list", match).Output()
	if err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(string(names)) {
		t := &test{name: name, meets: map[int]bool{}}
		if err := s.measure(binary, t); err != nil {
			fmt.Fprintf(os.Stderr, "mutate: %s is left out: without a mutant it fails: %v\n", name, err)
			continue
		}
		if t.cost() <= fast {
			s.tests = append(s.tests, t)
		}
	}
	slices.SortFunc(s.tests, func(a, b *test) int { return cmp.Compare(a.cost(), b.cost()) })
	return s, nil
}

func (s *suite) build(overlay, name string) (binary string, err error) {
	binary = filepath.Join(s.p.work, strings.ReplaceAll(s.dir, "/", "-")+"-"+name+".test")
	text, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary,
		"./"+s.dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	return binary, nil
}

// measure runs a test without a mutant, and notes the mutants that it meets.
func (s *suite) measure(binary string, t *test) error {
	file := filepath.Join(s.p.work, "trace")
	var failed error
	for range 2 { // a loaded machine may fail a test
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
		c := s.command(binary, 10*time.Minute, 10*time.Minute, "-test.run", "^"+t.name+"$")
		c.Env = append(os.Environ(), "MUTANT_TRACE="+file)
		began := time.Now()
		text, err := c.CombinedOutput()
		if err != nil {
			failed = fmt.Errorf("%w\n%s", err, text)
			continue
		}
		t.wall = time.Since(began)
		t.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		ids, err := os.ReadFile(file)
		for id := range strings.FieldsSeq(string(ids)) {
			n, _ := strconv.Atoi(id)
			t.meets[n] = true
		}
		return err
	}
	return failed
}

// command runs a test binary with limits. A cpu of 0 means none.
func (s *suite) command(binary string, cpu, wall time.Duration, args ...string) *exec.Cmd {
	limits := fmt.Sprintf(`ulimit -v %d; exec "$@"`, mostBytes>>10)
	if cpu > 0 {
		limits = fmt.Sprintf("ulimit -t %d; ", int(cpu.Seconds()+1)) + limits
		args = append(args, "-test.timeout", wall.String())
	}
	c := exec.Command("bash", append([]string{"-c", limits, "bash", binary}, args...)...)
	c.Dir = s.dir
	return c
}

// try tests one mutant, and names the tests that killed it.
func (s *suite) try(m *mutant) (fate, by string, err error) {
	if m.single {
		return s.trySingle(m)
	}
	var meet []*test
	for _, t := range s.tests {
		if t.meets[m.id] {
			meet = append(meet, t)
		}
	}
	if len(meet) == 0 {
		return notCovered, "", nil
	}
	binary := filepath.Join(s.p.work, strings.ReplaceAll(s.dir, "/", "-")+"-all.test")
	fate, by = s.attempt(binary, "MUTANT="+strconv.Itoa(m.id), meet)
	return fate, by, nil
}

// trySingle builds the tests with one mutant in place of its expression.
func (s *suite) trySingle(m *mutant) (fate, by string, err error) {
	text, err := m.mutate(s.p.dir)
	if err != nil {
		return "", "", err
	}
	name := "single" + strconv.Itoa(m.id)
	from, err := filepath.Abs(filepath.Join(s.p.dir, m.File))
	if err != nil {
		return "", "", err
	}
	to := filepath.Join(s.p.work, name+".go")
	if err := os.WriteFile(to, text, 0o600); err != nil {
		return "", "", err
	}
	file := filepath.Join(s.p.work, name+".json")
	if err := overlay(file, map[string]string{from: to}); err != nil {
		return "", "", err
	}
	binary, err := s.build(file, name)
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return notViable, "the compiler", nil
	}
	if err != nil {
		return "", "", err
	}
	defer func() { _ = os.Remove(binary) }()
	fate, by = s.attempt(binary, "MUTANT=", s.tests)
	return fate, by, nil
}

// attempt runs the tests in portions, until one fails twice.
func (s *suite) attempt(binary, env string, tests []*test) (fate, by string) {
	for _, portion := range portions(tests) {
		for len(portion) > 0 {
			r := s.runTests(binary, env, portion)
			if r.failed == nil {
				break
			}
			again := r
			if !r.overCPU {
				again = s.runTests(binary, env, r.failed)
			}
			if again.failed != nil {
				var names []string
				for _, t := range again.failed {
					t.kills.Add(1)
					names = append(names, t.name)
				}
				if len(names) > 3 {
					names = append(names[:3], "…")
				}
				if again.overCPU || again.hung {
					return timedOut, strings.Join(names, " ")
				}
				return killed, strings.Join(names, " ")
			}
			// It failed by chance. What -failfast left out is still to run.
			portion = slices.DeleteFunc(slices.Clone(portion), func(t *test) bool {
				return slices.Contains(r.failed, t)
			})
		}
	}
	return lived, ""
}

// portions divides the tests: those that killed most come first, then the fast ones.
func portions(tests []*test) [][]*test {
	const most = 8
	hot := slices.Clone(tests)
	slices.SortStableFunc(hot, func(a, b *test) int { return int(b.kills.Load() - a.kills.Load()) })
	hot = hot[:min(most, len(hot))]
	all := [][]*test{hot}
	var portion []*test
	sum, limit := time.Duration(0), 200*time.Millisecond
	for _, t := range tests {
		if slices.Contains(hot, t) {
			continue
		}
		if sum += t.cost(); sum > limit && portion != nil {
			all = append(all, portion)
			portion, sum, limit = nil, 0, 5*limit
		}
		portion = append(portion, t)
	}
	return append(all, portion)
}

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// A result tells which tests of a run failed, or all of them if a crash does not tell.
type result struct {
	failed  []*test
	overCPU bool // the run has used up its processor time
	hung    bool // the run did not end in its time
}

func (s *suite) runTests(binary, env string, tests []*test) result {
	cpu, wall := spareCPU, spareWall
	names := make([]string, 0, len(tests))
	for _, t := range tests {
		cpu, wall = cpu+factor*t.cpu, wall+factor*t.wall
		names = append(names, t.name)
	}
	c := s.command(binary, cpu, wall, "-test.failfast",
		"-test.run", "^("+strings.Join(names, "|")+")$")
	c.Env = append(os.Environ(), env)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = time.Second
	if err := c.Run(); err == nil {
		return result{}
	}
	r := result{
		overCPU: !c.ProcessState.Exited(), // its limit has ended it
		hung:    bytes.Contains(out.Bytes(), []byte("panic: test timed out")),
	}
	var failed []string
	for _, f := range failure.FindAllSubmatch(out.Bytes(), -1) {
		failed = append(failed, string(f[1]))
	}
	for _, t := range tests {
		if failed == nil || slices.Contains(failed, t.name) {
			r.failed = append(r.failed, t)
		}
	}
	return r
}
