// Upload stores files of any size, from a page or from the command wsstream:
//
//	a file → the page → WebSocketStream → the server ┬ SHA-256
//	                                                 └ the disk
//
// A disk that is slower than the network slows the page down. A file gets its name when all of it
// is on the disk, and not before. An upload that was cut goes on where it was.
//
//	go run ./examples/upload                      # then open http://127.0.0.1:8082
//	go run ./examples/upload -disk-rate 2MB/s     # a slow disk
//
// File protocol.go and asyncapi.yaml describe what the two sides say to each other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream/examples/internal/console"
	"github.com/wsstream/wsstream/examples/internal/serving"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return run(ctx, args, os.Stdout, os.Stderr)
	})
}

// run is the program, its surroundings given. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if err == nil {
		err = serve(ctx, o, stdout)
	}
	return console.Status(stderr, "upload", err)
}

// options are what the command line says.
type options struct {
	listen   string
	dir      string        // of the files
	largest  int64         // bytes of a file
	diskRate rate.Limit    // bytes a second, of each upload
	idle     time.Duration // for which a client may send nothing
	keep     time.Duration // for which a part that no client continues is kept
}

func parseOptions(args []string, stdout io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("upload", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is one line, and run prints it
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8082", "the `address` to serve")
	flags.StringVar(&o.dir, "dir", "uploads", "the `folder` of the files; it is made if it is missing")
	largest := flags.String("max-bytes", "max", "the largest file: `bytes` such as 10GB, or max")
	diskRate := flags.String("disk-rate", "max",
		"slow the disk down for each upload: a `speed` such as 2MB/s, or max")
	flags.DurationVar(&o.idle, "idle", 30*time.Second,
		"cut an upload whose client sends nothing for this `duration`")
	flags.DurationVar(&o.keep, "keep", 24*time.Hour,
		"remove the part of a file that was not continued for this `duration`")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stdout, "Usage: upload [-listen address] [-dir folder] [-max-bytes bytes]"+
			" [-disk-rate speed] [-idle duration] [-keep duration]")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: -h shows the flags", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: -h shows the flags", flags.Arg(0))
	case o.dir == "":
		return nil, errors.New("-dir is empty")
	case o.idle <= 0:
		return nil, fmt.Errorf("-idle %v: must be positive", o.idle)
	case o.keep <= 0:
		return nil, fmt.Errorf("-keep %v: must be positive", o.keep)
	}
	if o.largest, err = parseBytes("-max-bytes", *largest); err != nil {
		return nil, err
	}
	speed, err := parseBytes("-disk-rate", strings.TrimSuffix(*diskRate, "/s"))
	if o.diskRate = rate.Limit(speed); speed == math.MaxInt64 {
		o.diskRate = rate.Inf
	}
	return o, err
}

// parseBytes parses a number of bytes, 20MB say; max is no limit.
func parseBytes(name, s string) (int64, error) {
	if s == "max" {
		return math.MaxInt64, nil
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return 0, fmt.Errorf("bad %s %q: want bytes such as 20MB or 512KiB, or max", name, s)
	}
	return int64(n), nil
}

// serve serves the page and takes uploads until ctx ends.
func serve(ctx context.Context, o *options, stdout io.Writer) error {
	st, err := openStore(o.dir, o.diskRate)
	if err != nil {
		return err
	}
	defer st.close()
	s := newSite(o, st, stdout)
	ctx, cancel := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	defer cancel()
	sweeping.Go(func() { st.sweepEach(ctx, time.Hour, o.keep, s.note) })
	return serving.Serve(ctx, o.listen, s.handler(), s.accept.Shutdown,
		func(host string, wait func() error) error {
			s.note("open http://%s; the files are in %s", host, o.dir)
			return wait()
		})
}
