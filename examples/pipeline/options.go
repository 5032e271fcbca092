package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
)

// options are what the command line says.
type options struct {
	// path of the source, "-" for standard input, empty for the Go installation's src
	in     string
	rate   rate.Limit // of the consumer, in bytes a second
	window int        // bytes that each end may hold unsent or unread
	listen string     // address; empty to dial only
	dial   string     // URL; empty to listen only; both empty: both ends in this process
}

// parseOptions parses the command line. Asked for help it prints that to out and returns
// flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // an error is one line, and run prints it
	fs.StringVar(&o.in, "in", "",
		"`path` of the source: a file, a directory (sent as a tar stream), or - for standard input (default the Go installation's src)")
	limit := fs.String("rate", "16MB/s",
		"how fast the consumer is: a `speed` such as 20MB/s or 512KiB/s, or max")
	window := fs.String("window", humanize.IBytes(wsstream.DefaultReadWindow),
		"how many `bytes` each end may hold unsent or unread")
	fs.StringVar(&o.listen, "listen", "",
		"be the receiver alone: wait on this `address` for one sender")
	fs.StringVar(&o.dial, "dial", "", "be the sender alone: send to the receiver at this `URL`")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(out,
				"Usage: pipeline [-in path] [-rate speed] [-window bytes] [-listen address | -dial URL]")
			fs.SetOutput(out)
			fs.PrintDefaults()
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: name the source with -in", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case given["listen"] && given["dial"]:
		return o, fmt.Errorf("-listen and -dial exclude each other: leave both out to run both ends here")
	case given["listen"] && given["in"]:
		return o, fmt.Errorf("-in belongs to the sender, and -listen makes this the receiver")
	case given["dial"] && given["rate"]:
		return o, fmt.Errorf("-rate belongs to the receiver, and -dial makes this the sender")
	}
	for name, value := range map[string]string{"in": o.in, "listen": o.listen, "dial": o.dial} {
		if given[name] && value == "" {
			return o, fmt.Errorf("-%s is empty", name)
		}
	}
	if given["dial"] && !strings.Contains(o.dial, "://") {
		return o, errDial
	}
	var err error
	if o.rate, err = parseRate(*limit); err != nil {
		return o, err
	}
	o.window, err = parseWindow(*window)
	return o, err
}

var errDial = errors.New("bad -dial: want a URL such as ws://127.0.0.1:8080") // and not what may hold a password

// parseRate parses a number of bytes a second, 20MB/s say; max is no limit.
func parseRate(s string) (rate.Limit, error) {
	if s == "max" {
		return rate.Inf, nil
	}
	n, err := humanize.ParseBytes(strings.TrimSuffix(s, "/s"))
	if err != nil || n == 0 {
		return 0, fmt.Errorf("bad -rate %q: want a speed such as 20MB/s or 512KiB/s, or max", s)
	}
	return rate.Limit(n), nil
}

func parseWindow(s string) (int, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n < 1<<10 || n > math.MaxInt32 {
		return 0, fmt.Errorf("bad -window %q: want bytes such as 64KiB or 1MB, 1KiB at least", s)
	}
	return int(n), nil
}
