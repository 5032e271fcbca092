// Chat is a room of very many people, of which most say nothing. A silent person costs the server a
// connection's state, and no goroutine:
//
//	a person's page → WebSocket → Handle → room → broadcast ┬ subscription → WebSocket → a page
//	                                                        ├ …
//
// Without arguments it serves a page. Open it in two windows, and talk.
//
//	go run ./examples/chat                        # then open http://127.0.0.1:8080
//	go run ./examples/chat -crowd 1000 -for 10s   # people of the program's own, and a report
//
// With -crowd the program's own people talk in turn. Each of them checks that it hears all that is
// said, once and in order. If one does not, the exit status is 1, as for all other failures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/console"
	"github.com/wsstream/wsstream/examples/internal/serving"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return run(ctx, args, os.Stdout, os.Stderr)
	})
}

// options are what the command line says.
type options struct {
	listen string
	crowd  int           // people of the program's own; 0 for none
	rate   int           // of what they say together, a second
	length time.Duration // for which they talk
}

func parseOptions(args []string, stdout io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is one line, and run prints it
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "the `address` to serve")
	flags.IntVar(&o.crowd, "crowd", 0, "let so `many` people of the program's own talk, and report")
	flags.IntVar(&o.rate, "rate", 20, "how `often` a second the crowd says something")
	flags.DurationVar(&o.length, "for", 10*time.Second, "how `long` the crowd talks")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stdout, "Usage: chat [-listen address] [-crowd many [-rate often] [-for long]]")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: -h shows the flags", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: -h shows the flags", flags.Arg(0))
	case o.crowd < 0:
		return nil, fmt.Errorf("-crowd %d: there cannot be fewer than no people", o.crowd)
	case o.rate < 1 || o.rate > 10_000:
		return nil, fmt.Errorf("-rate %d: from 1 to 10,000", o.rate)
	case o.length <= 0:
		return nil, fmt.Errorf("-for %v: must be positive", o.length)
	}
	return o, nil
}

// run is the program, its surroundings given. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if err == nil {
		err = serve(ctx, o, stdout)
	}
	return console.Status(stderr, "chat", err)
}

// serve serves the room until ctx ends, or until the crowd has talked.
func serve(ctx context.Context, o *options, stdout io.Writer) error {
	r := newRoom()
	return serving.Serve(ctx, o.listen, r.handler(), r.close,
		func(host string, wait func() error) error {
			_, _ = fmt.Fprintf(stdout, "open http://%s\n", host)
			if o.crowd > 0 {
				return talk(ctx, o, "ws://"+host+"/room", stdout)
			}
			return wait()
		})
}

// goingAway is what the people get when the program ends.
var goingAway = wsstream.CloseInfo{Code: 1001, Reason: "the room closes"}
