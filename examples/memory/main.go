// Memory measures what a connection costs: how much a process grows, a connection, when many are open that are idle, have
// been busy, or are stalled. The numbers of docs/memory.md come from it.
//
//	go run ./examples/memory            # 2,000 connections each
//	go run ./examples/memory -n 8000    # more: both ends need a file descriptor each
//
// Each row is measured in a process of its own, whose connections' far ends live in another, over loopback. Two numbers
// are given: the resident set's growth, and that of the heap and the stacks that the Go runtime has in use. Garbage is
// collected first, and what is free given back to the system. It needs Linux.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program immediately
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		console.Fail(os.Stderr, "memory", err)
		os.Exit(1)
	}
}

// run is the program in its three parts: it starts itself again for each row, and that once more for the far ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("memory", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, and main prints it
	n := f.Int("n", 2000, "how `many` connections are measured in each row")
	only := f.String("only", "", "measure the rows whose name contains this `text`")
	row := f.String("row", "", "measure the row of this `name` in this process (the program calls itself so)")
	far := f.String("far", "", "be the far end of the row of this `name` (the program calls itself so)")
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
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("it takes no arguments, only flags: %q", f.Args())
	case *n < 1:
		return fmt.Errorf("bad -n %d: want one connection at least", *n)
	case *row != "":
		return measure(ctx, rows[*row], *n, *row, stdout)
	case *far != "":
		return beFar(ctx, rows[*far], *addr, stdin, stdout)
	}
	return measureAll(ctx, *only, *n, stdout)
}

// line is a line of the table, which fits into 80 columns.
const line = "%-54s %12s %11s\n"

// measureAll has each row whose name contains only measured by a process of its own.
func measureAll(ctx context.Context, only string, n int, stdout io.Writer) error {
	names := slices.DeleteFunc(slices.Clone(order), func(name string) bool { return !strings.Contains(name, only) })
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
			return fmt.Errorf("%s: %w: %s", name, err, strings.TrimPrefix(says.String(), "memory: "))
		}
	}
	return nil
}

// A farEnd is the process in which the far ends live.
type farEnd struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func startFar(ctx context.Context, name, addr string) (*farEnd, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-far", name, "-addr", addr)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &farEnd{cmd, stdin, bufio.NewScanner(stdout)}, cmd.Start()
}

// line returns the next line that the far end says.
func (f *farEnd) line() (string, error) {
	if f.lines.Scan() {
		return f.lines.Text(), nil
	}
	return "", fmt.Errorf("the far end says nothing more: %w", io.ErrUnexpectedEOF)
}

// next has the far end make n connections.
func (f *farEnd) next(n int) error {
	_, err := fmt.Fprintln(f.stdin, n)
	return err
}

func (f *farEnd) stop() {
	_ = f.stdin.Close()
	_ = f.cmd.Wait()
}
