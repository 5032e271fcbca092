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
	"net"
	"net/http"
	"os"
	"time"

	"github.com/wsstream/wsstream/examples/internal/console"
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
func serve(ctx context.Context, listen string, stdout io.Writer) (err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	s := newSite()
	srv := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }() // ends with Shutdown
	defer func() {
		late, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		err = errors.Join(err, s.accept.Shutdown(late), srv.Shutdown(late))
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	_, _ = fmt.Fprintf(stdout, "open http://%s\n", l.Addr())
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		served <- err
		return err
	}
}
