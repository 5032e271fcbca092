// Command interop runs wsstream against the programs of the WebSocket world, and writes what it saw
// to docs/interop.md:
//
//	go run ./interop                 # everything that can be installed
//	go run ./interop -list
//	go run ./interop -only ws,nginx  # names of rows, or parts of names
//
// It installs what is missing: Debian packages with apt-get, which takes root, packages of npm, and
// Go modules. Its exit status is the number of rows that failed or could not be installed, at most
// 125; it is 126 if the arguments were wrong.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"

	"github.com/wsstream/wsstream/interop/trial"
)

const usageStatus = 126

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

func command(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := flags.Bool("list", false, "list the rows and run none")
	only := flags.String("only", "", "run the rows whose names have one of these parts, which commas divide")
	core := flags.Bool("core", false, "run the rows that CI runs")
	parallel := flags.Int("parallel", 2, "rows that run concurrently")
	page := flags.String("page", "", "the page to write; by default docs/interop.md, if all rows run")
	if err := flags.Parse(args); err != nil {
		return usageStatus
	}
	if flags.NArg() > 0 || *parallel < 1 {
		_, _ = fmt.Fprintln(stderr, "interop: it takes no arguments, and -parallel is at least 1; see -help")
		return usageStatus
	}
	chosen, err := choose(rows(), *only, *core)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "interop:", err)
		return usageStatus
	}
	if *list {
		for _, row := range chosen {
			_, _ = fmt.Fprintln(stdout, row.ID())
		}
		return 0
	}
	dir, err := trial.ModuleDir()
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "interop:", err)
		return usageStatus
	}
	if err := os.Chdir(dir); err != nil {
		_, _ = fmt.Fprintln(stderr, "interop:", err)
		return usageStatus
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer trial.RemoveBuilt()
	results := runAll(ctx, chosen, *parallel, stdout)
	if *page == "" && *only == "" && !*core {
		*page = "../docs/interop.md"
	}
	if *page != "" {
		if err := os.WriteFile(*page, pageOf(results), 0o644); err != nil {
			_, _ = fmt.Fprintln(stderr, "interop:", err)
			return usageStatus
		}
	}
	bad := failed(results)
	_, _ = fmt.Fprintf(stdout, "%d rows, %d failed or missing\n", len(results), bad)
	return bad
}

// failed returns the number of rows that failed or could not be installed, which is the exit status.
func failed(results []*trial.Result) (bad int) {
	for _, r := range results {
		if !r.OK() {
			bad++
		}
	}
	return min(bad, 125)
}

// choose returns the rows that the flags select.
func choose(all []*trial.Row, only string, core bool) (chosen []*trial.Row, err error) {
	parts := strings.Split(only, ",")
	used := map[string]bool{}
	for _, row := range all {
		wanted := false
		for _, part := range parts {
			if strings.Contains(strings.ToLower(row.ID()), strings.ToLower(part)) {
				used[part], wanted = true, true
			}
		}
		if wanted && (row.Core || !core) {
			chosen = append(chosen, row)
		}
	}
	for _, part := range parts {
		if !used[part] {
			return nil, fmt.Errorf("-only: no row has %q in its name; -list lists them", part)
		}
	}
	return chosen, nil
}

// runAll runs rows, some of them concurrently, and says how each went.
func runAll(ctx context.Context, rows []*trial.Row, parallel int, out io.Writer) []*trial.Result {
	results := make([]*trial.Result, len(rows))
	next := make(chan int)
	var running sync.WaitGroup
	var mu sync.Mutex // guards out
	for range parallel {
		running.Go(func() {
			for i := range next {
				var log bytes.Buffer
				r := trial.Run(ctx, rows[i], &locked{w: &log})
				results[i] = r
				mu.Lock()
				report(out, r, log.Bytes())
				mu.Unlock()
			}
		})
	}
	for i := range rows {
		next <- i
	}
	close(next)
	running.Wait()
	return results
}

// report says how a row went. log is what its programs said: it is shown if the row failed.
func report(out io.Writer, r *trial.Result, log []byte) {
	switch {
	case r.Missing != nil:
		_, _ = fmt.Fprintf(out, "missing %s: %v\n", r.Row.ID(), r.Missing)
	case len(r.Failed) > 0:
		_, _ = fmt.Fprintf(out, "FAILED  %s %s (%.1f s)\n", r.Row.ID(), r.Version, r.Took.Seconds())
		for _, f := range r.Failed {
			_, _ = fmt.Fprintf(out, "        %s\n", f)
		}
		if len(log) > 0 {
			_, _ = fmt.Fprintf(out, "        its programs said:\n%s\n", tail(log))
		}
	default:
		_, _ = fmt.Fprintf(out, "ok      %s %s (%.1f s)\n", r.Row.ID(), r.Version, r.Took.Seconds())
	}
}

// tail returns the end of what programs said.
func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// A locked writer may be used concurrently.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
