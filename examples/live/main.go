// Live shows backpressure in a browser. The same flood goes three ways, and each consumer is slower
// than the producer:
//
//	producer ┬ WebSocket → the page, by its classic WebSocket
//	         ├ WebSocket → the page, by its WebSocketStream
//	         └ WebSocket → a client in Go
//
// The page draws what waits on each way: with the classic WebSocket it piles up in the page, with
// streams the producer waits. Its sliders set the speeds.
//
//	go run ./examples/live        # then open http://127.0.0.1:8081
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

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
	listen, err := parseOptions(args, stdout)
	if err == nil {
		err = serve(ctx, listen, stdout)
	}
	return console.Status(stderr, "live", err)
}

func parseOptions(args []string, stdout io.Writer) (listen string, err error) {
	flags := flag.NewFlagSet("live", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is one line, and run prints it
	flags.StringVar(&listen, "listen", "127.0.0.1:8081", "the `address` to serve")
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stdout, "Usage: live [-listen address]")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return "", err
	case err != nil:
		return "", fmt.Errorf("%w: -h shows the flags", err)
	case flags.NArg() > 0:
		return "", fmt.Errorf("unexpected argument %q: -h shows the flags", flags.Arg(0))
	}
	return listen, nil
}

// serve serves the page until ctx ends.
func serve(ctx context.Context, listen string, stdout io.Writer) error {
	s := newSite()
	return serving.Serve(ctx, listen, s.handler(), s.accept.Shutdown,
		func(host string, wait func() error) error {
			_, _ = fmt.Fprintf(stdout, "open http://%s\n", host)
			return wait()
		})
}
