// Logtail follows a log file as tail -F does, parses and filters its lines, and sends them to
// viewers over WebSockets. Each viewer chooses what happens to lines that come faster than it
// reads:
//
//	file → lines → entries → filter → broadcast ┬ subscription, by its policy → WebSocket → viewer
//	                                            ├ …
//
// Without arguments it demonstrates the policies. It writes a log, rotates it half-way, serves it
// on loopback to viewers of different speed, and prints what each has received. It checks that each
// line was either received or counted as dropped. If one was not, the exit status is 1, as for all
// other failures.
//
//	go run ./examples/logtail                                                # the demonstration
//	go run ./examples/logtail -in /var/log/syslog -listen 127.0.0.1:8080     # serve; in another one
//	go run ./examples/logtail -dial ws://127.0.0.1:8080 -policy drop-oldest  # view it
package main

import (
	"context"
	"io"
	"os"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return run(ctx, args, os.Stdout, os.Stderr)
	})
}

// run is the program, its surroundings given. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	switch {
	case err != nil:
	case o.dial != "":
		err = view(ctx, o, stdout, stderr)
	case o.in != "":
		err = serve(ctx, o, stderr)
	default:
		err = demonstrate(ctx, o, stdout, stderr)
	}
	return console.Status(stderr, "logtail", err)
}
