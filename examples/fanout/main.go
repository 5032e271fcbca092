// Fanout serves topics to very many subscribers, over any number of gateways. The messages are in
// NATS JetStream. A slow client holds back itself only, and what it has not read stays on disk:
//
//	                      ┌ consumer → ring ┬ WebSocket → a client that keeps up
//	publisher → JetStream ┤                         └ …
//	                      └ direct gets, as credit allows ─ WebSocket → a slow client
//
// Without arguments it shows that: it starts a broker, a gateway, some fast clients and a slow one,
// and prints their rates each second. docs/fanout.md has the protocol and the operation.
//
//	go run ./examples/fanout                                     # a demonstration
//	go run ./examples/fanout serve                               # a gateway, with a broker in it
//	go run ./examples/fanout serve -nats nats://127.0.0.1:4222   # a gateway for a cluster
//	go run ./examples/fanout listen ws://127.0.0.1:8083/ws orders
//	go run ./examples/fanout publish ws://127.0.0.1:8083/ws orders
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wsstream/wsstream/examples/internal/console"
)

func main() {
	console.Main(func(ctx context.Context, args []string) int {
		return run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
	})
}

// run is the program, its surroundings given. It returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	command := "demo"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	var err error
	switch command {
	case "demo":
		err = demo(ctx, args, stdout)
	case "serve":
		err = serve(ctx, args, stdout)
	case "listen":
		err = listenTo(ctx, args, stdout, stderr)
	case "publish":
		err = publishFrom(ctx, args, stdin, stdout, stderr)
	default:
		err = fail(statusUsage, "there is no command %q: demo, serve, listen or publish", command)
	}
	return statusOf(stderr, err)
}

const demoAbout = `Usage: fanout [demo] [flags]             a demonstration
       fanout serve [flags]              a gateway
       fanout listen [flags] URL TOPIC   print the messages of a topic
       fanout publish [flags] URL TOPIC  publish lines of standard input

fanout COMMAND -h shows the flags of a command. The demonstration starts a broker, a gateway, fast
clients and a slow one, and prints their rates each second, until an interrupt.

`

// printf prints. An error of a terminal is not worth an end.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
