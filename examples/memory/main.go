// Memory measures what a connection costs. It opens many that are idle, have been busy, or are
// stalled, and measures how much a process grows for each. The numbers of docs/memory.md come from
// it.
//
//	go run ./examples/memory            # 2,000 connections each
//	go run ./examples/memory -n 8000    # more: both ends need a file descriptor each
//
// Each row is measured in a process of its own, whose connections' far ends live in another, over
// loopback. Two numbers are given: the resident set's growth, and that of the heap and the stacks
// that the Go runtime has in use. Garbage is collected first, and what is free given back to the
// system. It needs Linux.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return console.Status(os.Stderr, "memory", run(ctx, args, os.Stdin, os.Stdout))
	})
}

// run is the program in its three parts: it starts itself again for each row, and that once more
// for the far ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("memory", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, and main prints it
	many := f.String("n", "2000", "how `many` connections are measured in each row")
	only := f.String("only", "", "measure the rows whose name contains this `text`")
	row := f.String("row", "",
		"measure the row of this `name` in this process (the program calls itself so)")
	far := f.String("far", "",
		"be the far end of the row of this `name` (the program calls itself so)")
	addr := f.String("addr", "", "the `address` that the far end connects to")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(stdout, "Usage: memory [-n many] [-only text]")
			f.SetOutput(stdout)
			f.PrintDefaults()
			return nil
		}
		return err
	}
	for _, name := range []string{*row, *far} {
		if _, ok := rows[name]; name != "" && !ok {
			return fmt.Errorf("no row is named %q", name)
		}
	}
	n, err := strconv.Atoi(*many)
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("it takes no arguments, only flags: %q", f.Args())
	case err != nil || n < 1:
		return fmt.Errorf("bad -n %q: want a number of connections, 1 at least", *many)
	case *addr != "" && *far == "":
		return errors.New("-addr goes with -far, as the program calls itself")
	case *row != "":
		return measure(ctx, rows[*row], n, *row, stdout)
	case *far != "":
		return beFar(ctx, rows[*far], *addr, stdin, stdout)
	}
	return measureAll(ctx, *only, n, stdout)
}

// line is a line of the table, which fits into 80 columns.
const line = "%-54s %12s %11s\n"

// measureAll has each row whose name contains only measured by a process of its own.
func measureAll(ctx context.Context, only string, n int, stdout io.Writer) error {
	names := slices.DeleteFunc(slices.Clone(order), func(name string) bool {
		return !strings.Contains(name, only)
	})
	if len(names) == 0 {
		return fmt.Errorf("bad -only %q: want part of a row's name: %s", only, strings.Join(order, "; "))
	}
	_, _ = fmt.Fprintf(stdout, line, "KiB a connection", "resident set", "heap+stacks")
	for _, name := range names {
		cmd := exec.CommandContext(ctx, os.Args[0], "-row", name, "-n", strconv.Itoa(n))
		var says strings.Builder
		cmd.Stdout, cmd.Stderr = stdout, &says
		cmd.WaitDelay = time.Second // for the far end, whose standard error is the same
		err := cmd.Run()
		switch {
		case ctx.Err() != nil: // which killed it
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("%s: %s", name,
				cmp.Or(strings.TrimPrefix(says.String(), "memory: "), err.Error()))
		}
	}
	return nil
}

// A farEnd is the process in which the far ends live.
type farEnd struct {
	process *os.Process

	stdin io.WriteCloser
	lines *bufio.Scanner
	ended chan struct{} // closed when the process has ended
	err   error         // why; set before ended is closed
}

func startFar(ctx context.Context, name, addr string) (*farEnd, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-far", name, "-addr", addr)
	var says strings.Builder
	cmd.Stderr = &says
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f := &farEnd{stdin: stdin, lines: bufio.NewScanner(stdout), ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f.process = cmd.Process
	go func() { // ends with the process
		defer close(f.ended)
		err := cmp.Or(cmd.Wait(), io.ErrUnexpectedEOF)
		f.err = fmt.Errorf("the far end has ended: %w: %s", err,
			strings.TrimPrefix(says.String(), "memory: "))
	}()
	return f, nil
}

// line returns the next line that the far end says.
func (f *farEnd) line() (string, error) {
	if f.lines.Scan() {
		return f.lines.Text(), nil
	}
	<-f.ended // since it says nothing more
	return "", f.err
}

// next has the far end make n connections.
func (f *farEnd) next(n int) error {
	_, err := fmt.Fprintln(f.stdin, n)
	return err
}

// stop ends the far end, whatever it waits for.
func (f *farEnd) stop() {
	_ = f.stdin.Close()
	_ = f.process.Kill() // it may have ended
	<-f.ended
}
