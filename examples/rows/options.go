package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/time/rate"
)

// options are what the command line says.
type options struct {
	in      string     // path of the table; empty: rows that are made up
	n       int        // how many of those
	rate    rate.Limit // of the consumer, in rows a second
	workers int        // that transform concurrently
}

// parseOptions parses the command line. Asked for help it prints that to out and returns
// flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("rows", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // an error is one line, and run prints it
	fs.StringVar(&o.in, "in", "",
		"the table, a `file`: .csv with a header, or .jsonl (default rows that are made up)")
	many := fs.String("n", "1000000", "how `many` rows to make up")
	limit := fs.String("rate", "100000", "how fast the consumer is: `rows` a second, or max")
	workers := fs.String("workers", strconv.Itoa(runtime.GOMAXPROCS(0)),
		"how `many` batches are transformed concurrently")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(out, "Usage: rows [-in file | -n many] [-rate rows] [-workers many]")
			fs.SetOutput(out)
			fs.PrintDefaults()
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: name the table with -in", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case given["in"] && o.in == "":
		return o, errors.New("-in is empty")
	case given["in"] && given["n"]:
		return o, errors.New("-n is for rows that are made up, and -in names a table")
	}
	var err error
	if o.n, err = strconv.Atoi(*many); err != nil || o.n < 0 {
		return o, fmt.Errorf("bad -n %q: want a number of rows such as 50000", *many)
	}
	if o.workers, err = strconv.Atoi(*workers); err != nil || o.workers < 1 {
		return o, fmt.Errorf("bad -workers %q: want a number, 1 at least", *workers)
	}
	o.rate, err = parseRate(*limit)
	return o, err
}

// parseRate parses a number of rows a second; max is no limit.
func parseRate(s string) (rate.Limit, error) {
	if s == "max" {
		return rate.Inf, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || !(n >= 1 && n <= 1e9) {
		return 0, fmt.Errorf("bad -rate %q: want rows a second such as 50000, or max", s)
	}
	return rate.Limit(n), nil
}
