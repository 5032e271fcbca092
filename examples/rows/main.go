// Rows moves a table of any length through a pipeline and a WebSocket to a slower consumer. Its
// memory does not depend on the table's length:
//
//	rows → batches → transformed in parallel, in order → JSON → WebSocket → JSON → slow consumer
//
// The table has a million generated rows, or comes from a file: CSV with a header, or JSON lines.
// At the end the program checks that the rows arrived as they were sent, in order. If they did not,
// or if a row is missing, the exit status is 1.
//
//	go run ./examples/rows                               # a million rows, at 100,000 a second
//	go run ./examples/rows -n 100000 -rate max           # fewer, as fast as it goes
//	go run ./examples/rows -in table.csv -rate 50000     # a file
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program immediately
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program, its surroundings given. It returns the exit status: 0 says that all rows have
// arrived, in order.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = transfer(ctx, o, stdout, stderr)
	}
	if err != nil {
		console.Fail(stderr, "rows", err)
		return 1
	}
	return 0
}
