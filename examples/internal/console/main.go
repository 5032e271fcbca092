package console

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a program and exits with the status that run returns. The first interrupt ends ctx; the
// second one ends the program immediately.
func Main(run func(ctx context.Context, args []string) (status int)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// Status returns the exit status of a program that ended with err, and prints err on w. A request
// for help, which was answered, is no error.
func Status(w io.Writer, program string, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	Fail(w, program, err)
	return 1
}
