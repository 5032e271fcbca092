// Rows moves a table of any length through a pipeline and a WebSocket to a consumer that is slower,
// in memory that does not depend on the table's length:
//
//	rows → batches → transformed in parallel, in order → JSON → WebSocket → JSON → slow consumer
//
// The table is made up as it is sent, a million rows of it, or read from a file: CSV with a header,
// or JSON lines. At the end the rows that arrived are held to be those that were sent, in order. A
// difference is exit status 1, and so is all else that keeps the whole table from arriving.
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
