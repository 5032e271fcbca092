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
	"io"
	"os"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return run(ctx, args, os.Stdout, os.Stderr)
	})
}

// run is the program, its surroundings given. It returns the exit status: 0 says that all rows have
// arrived, in order.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if err == nil {
		err = transfer(ctx, o, stdout, stderr)
	}
	return console.Status(stderr, "rows", err)
}
