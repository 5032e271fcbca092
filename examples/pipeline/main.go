// Pipeline moves a real source through a WebSocket to a consumer that is slower than the source. It
// shows that neither end buffers more than its window and one message, however long the source is:
//
//	source → sha256 → WebSocket over TCP → sha256 → slow consumer
//
// At the end each side knows what the other counted and hashed. A difference is exit status 1, and
// so is all else that keeps the whole source from arriving.
//
//	go run ./examples/pipeline                                    # the Go installation's sources
//	go run ./examples/pipeline -in movie.mkv -rate 50MB/s         # a file
//	tar c . | go run ./examples/pipeline -in -                    # standard input
//	go run ./examples/pipeline -listen 127.0.0.1:8080 -rate 5MB/s # the receiver; in another shell
//	go run ./examples/pipeline -dial ws://127.0.0.1:8080          # the sender alone
package main

import (
	"context"
	"io"
	"os"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
	})
}

// run is the program, its surroundings given. It returns the exit status: 0 says that all of the
// source has arrived, and that both sides know.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if err == nil {
		err = transfer(ctx, o, stdin, stdout, stderr)
	}
	return console.Status(stderr, "pipeline", err)
}
