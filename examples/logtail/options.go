package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// options are what the command line says.
type options struct {
	in     string // path of the file to serve; empty: none
	listen string // address to serve it on
	all    bool   // from the file's beginning, once a viewer has connected
	level  slog.Level

	dial   string // URL of the server to view; empty: none
	viewer viewer

	rate   rate.Limit    // of the demonstration's log, in lines a second
	length time.Duration // of the demonstration
}

// modes are the flags that each way to run the program takes.
var modes = []struct {
	name  string
	flags []string
}{
	{"the demonstration", []string{"rate", "for", "level"}},
	{"a server (-in)", []string{"in", "listen", "all", "level"}},
	{"a viewer (-dial)", []string{"dial", "policy", "speed", "name"}},
}

// parseOptions parses the command line. If the flag -h is given, it prints the help to out and
// returns flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("logtail", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // an error is one line, and run prints it
	fs.StringVar(&o.in, "in", "",
		"serve this `file`, which is followed as tail -F does, and needs -listen")
	fs.StringVar(&o.listen, "listen", "", "the `address` to serve it on")
	fs.BoolVar(&o.all, "all", false,
		"start with what is in the file already, once the first viewer has come")
	level := fs.String("level", "info", "the lowest `level` to send: debug, info, warn or error")
	fs.StringVar(&o.dial, "dial", "", "view the log of the server at this `URL`")
	fs.StringVar(&o.viewer.policy, "policy", "block",
		"the `policy` for lines that come too fast for the viewer: "+policyNames())
	speed := fs.String("speed", "max", "how fast the viewer reads: `lines` a second, or max")
	fs.StringVar(&o.viewer.name, "name", "viewer", "the `name` by which the server calls the viewer")
	lines := fs.String("rate", "2000", "how fast the demonstration's log grows: `lines` a second")
	length := fs.String("for", "2s", "how long it does: a `duration`")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(out, "Usage: logtail [-rate lines] [-for duration] [-level level]\n"+
				"       logtail -in file -listen address [-all] [-level level]\n"+
				"       logtail -dial URL [-policy policy] [-speed lines] [-name name]")
			fs.SetOutput(out)
			fs.PrintDefaults()
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: name the file with -in", fs.Arg(0))
	}
	if err := o.checkMode(fs); err != nil {
		return o, err
	}
	if o.dial != "" && !strings.Contains(o.dial, "://") {
		return o, errors.New("bad -dial: want a URL such as ws://127.0.0.1:8080") // and not what may hold a password
	}
	if err := o.level.UnmarshalText([]byte(*level)); err != nil {
		return o, fmt.Errorf("bad -level %q: want debug, info, warn or error", *level)
	}
	if _, err := subscriberOf(o.viewer.policy); err != nil {
		return o, fmt.Errorf("bad -policy: %w", err)
	}
	var err error
	if o.viewer.speed, err = parseSpeed("speed", *speed); err != nil {
		return o, err
	}
	if o.rate, err = parseSpeed("rate", *lines); err != nil {
		return o, err
	}
	if o.rate == rate.Inf {
		return o, errors.New(`bad -rate "max": a log that grows without bound fills the disk`)
	}
	if o.length, err = time.ParseDuration(*length); err != nil || o.length <= 0 {
		return o, fmt.Errorf("bad -for %q: want a duration such as 3s", *length)
	}
	return o, nil
}

// checkMode checks that the flags belong to one way to run the program.
func (o *options) checkMode(fs *flag.FlagSet) (err error) {
	mode := modes[0]
	switch {
	case o.dial != "":
		mode = modes[2]
	case o.in != "" || o.listen != "":
		mode = modes[1]
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) {
		given[f.Name] = true
		switch {
		case f.Value.String() == "":
			err = fmt.Errorf("-%s is empty", f.Name)
		case !slices.Contains(mode.flags, f.Name) && err == nil:
			err = fmt.Errorf("-%s is not for %s: it belongs to %s", f.Name, mode.name, ownerOf(f.Name))
		}
	})
	if err == nil && given["in"] != given["listen"] {
		err = errors.New("-in and -listen go together: the file to serve, and where")
	}
	return err
}

// ownerOf names the way to run the program that takes a flag.
func ownerOf(name string) string {
	for _, m := range modes {
		if slices.Contains(m.flags, name) {
			return m.name
		}
	}
	return ""
}

// parseSpeed parses a number of lines a second; max is no limit.
func parseSpeed(name, s string) (rate.Limit, error) {
	if s == "max" {
		return rate.Inf, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || !(n > 0 && n <= 1e9) {
		return 0, fmt.Errorf("bad -%s %q: want lines a second such as 200, or max", name, s)
	}
	return rate.Limit(n), nil
}
