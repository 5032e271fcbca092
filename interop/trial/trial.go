package trial

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	checkTime = 55 * time.Second // for one check: a peer that never answers fails it
	knownTime = 10 * time.Second // for one that is known to fail
	rowTime   = 5 * time.Minute  // for all checks of a row
)

// A T is a running row. It is what testify's require needs. Its methods may be called concurrently,
// but FailNow must be called by the goroutine that runs the check.
type T struct {
	row *Row
	log io.Writer
	dir string

	mu       sync.Mutex // guards all below
	ctx      context.Context
	check    string   // the name of the check that runs
	errors   []string // of the check
	cannot   bool
	hopeless bool // a check could not go on, and none after it can
	cleanups []func()
	result   *Result
}

// Run runs a row and writes what its programs say to log. What the row needs is installed.
func Run(ctx context.Context, row *Row, log io.Writer) *Result {
	began := time.Now()
	result := &Result{Row: row}
	defer func() { result.Took = time.Since(began) }()
	for _, need := range row.Needs {
		if err := need.Install(ctx); err != nil {
			result.Missing = fmt.Errorf("%s: %w", need, err)
			return result
		}
	}
	version, err := versionOf(ctx, row)
	if err != nil {
		result.Missing = fmt.Errorf("its version is not known: %w", err)
		return result
	}
	result.Version = version
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		result.Missing = err
		return result
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(ctx, rowTime)
	defer cancel()
	t := &T{row: row, log: log, dir: dir, ctx: ctx, result: result}
	t.attempt("", row.Run)
	t.cleanUp(0)
	for name := range row.Known {
		if !slices.Contains(result.Known, name) {
			result.Failed = append(result.Failed, name+": the row expects a fault, and there was none")
		}
	}
	return result
}

// versionOf asks for the version of the peer, which may never answer.
func versionOf(ctx context.Context, row *Row) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	return row.Version(ctx)
}

// Context returns the context of the check that runs.
func (t *T) Context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ctx
}

// TempDir returns a folder that is removed after the trial.
func (t *T) TempDir() string { return t.dir }

// Output returns where the peer's own output goes.
func (t *T) Output() io.Writer { return t.log }

// Cleanup calls f at the end of the check that runs, or of the trial. The last one is called first.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Check runs one check, and notes how it went. It reports whether it passed. A check that fails
// does not stop those after it.
func (t *T) Check(name string, f func(t *T)) bool {
	if t.hopeless {
		return false
	}
	outer := t.Context()
	limit := checkTime
	if _, known := t.row.Known[name]; known {
		limit = knownTime
	}
	ctx, cancel := context.WithTimeout(outer, limit)
	defer cancel()
	t.mu.Lock()
	first := len(t.cleanups)
	t.ctx = ctx
	t.mu.Unlock()
	ok := t.attempt(name, f)
	t.cleanUp(first)
	t.mu.Lock()
	t.ctx = outer
	t.hopeless = outer.Err() != nil
	t.mu.Unlock()
	return ok
}

// attempt calls f on a goroutine of its own, which FailNow can end.
func (t *T) attempt(name string, f func(t *T)) bool {
	t.mu.Lock()
	t.check, t.errors, t.cannot = name, nil, false
	t.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with f
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		f(t)
	}()
	<-done
	t.mu.Lock()
	defer t.mu.Unlock()
	errors := t.errors
	t.errors = nil
	if name == "" {
		t.result.Failed = append(t.result.Failed, errors...)
		return len(errors) == 0
	}
	_, known := t.row.Known[name]
	_, sometimes := t.row.Sometimes[name]
	switch {
	case t.cannot:
		t.result.Cannot = append(t.result.Cannot, name)
	case len(errors) == 0:
		t.result.Passed = append(t.result.Passed, name)
	case known, sometimes:
		t.result.Known = append(t.result.Known, name)
	default:
		t.result.Failed = append(t.result.Failed, name+": "+strings.Join(errors, "; "))
	}
	t.cannot = false
	return len(errors) == 0
}

func (t *T) cleanUp(first int) {
	for {
		t.mu.Lock()
		if len(t.cleanups) == first {
			t.mu.Unlock()
			return
		}
		f := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		t.mu.Unlock()
		f()
	}
}

// Cannot ends the check: the peer's API has nothing for it. The table says so.
func (t *T) Cannot() {
	t.mu.Lock()
	t.cannot = true
	t.mu.Unlock()
	runtime.Goexit()
}

// Note notes a value for the table.
func (t *T) Note(what, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := Note{what, fmt.Sprintf(format, args...)}
	if !slices.Contains(t.result.Notes, n) {
		t.result.Notes = append(t.result.Notes, n)
	}
}

// Errorf notes that the check has failed.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintln(t.log, text)
	if _, said, ok := strings.Cut(text, "Error:"); ok {
		text = said // without testify's trace
	}
	t.errors = append(t.errors, plain(text))
}

// FailNow ends the check.
func (t *T) FailNow() {
	t.mu.Lock()
	if len(t.errors) == 0 {
		t.errors = append(t.errors, "failed")
	}
	t.mu.Unlock()
	runtime.Goexit()
}

// Helper is for testify.
func (t *T) Helper() {}

// plain makes one line of what testify says.
func plain(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	return strings.Join(lines, " ")
}

// Take waits for a value from c. At the end of the check's time it fails the check, which says what
// is missing.
func Take[V any](t TB, c <-chan V, missing string) (v V) {
	select {
	case v = <-c:
	case <-t.Context().Done():
		require.Fail(t, missing)
	}
	return v
}
