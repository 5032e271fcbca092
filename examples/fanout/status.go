package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/wsstream/wsstream/examples/internal/console"
)

// The exit statuses. The help of the program lists them, too.
const (
	statusUsage      = 2
	statusNoServer   = 3
	statusAddress    = 4
	statusStore      = 5
	statusToken      = 6
	statusTopic      = 7
	statusNotAllowed = 8
	statusGone       = 9
)

const statusHelp = `
Exit status:
    0  all was done, or an interrupt ended the program in order
    1  any other failure
    2  wrong arguments
    3  no answer from the broker, or from a gateway
    4  the address to listen on is taken or not valid
    5  the directory of -store cannot be written, or another gateway uses it
    6  the gateway refused the token
    7  the gateway has no such topic
    8  the token does not allow these subjects
    9  the topic does not have the messages behind -after: no longer, or not yet
  130  a second interrupt ended the program immediately
`

// A failure is an error with an exit status.
type failure struct {
	status int
	error
}

func (f *failure) Unwrap() error { return f.error }

// fail returns an error with an exit status.
func fail(status int, format string, args ...any) error {
	return &failure{status, fmt.Errorf(format, args...)}
}

// statusOf prints err on w as one line, and returns the exit status.
func statusOf(w io.Writer, err error) int {
	status := console.Status(w, "fanout", err)
	if f, ok := errors.AsType[*failure](err); ok {
		return f.status
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Code {
		case codeUnknownTopic:
			return statusTopic
		case codeNotAllowed:
			return statusNotAllowed
		case codeGone:
			return statusGone
		}
	}
	return status
}

// parseFlags parses args, which must leave as many arguments as names has. A request for help is
// answered on stdout.
func parseFlags(flags *flag.FlagSet, args []string, stdout io.Writer, about string,
	names ...string,
) error {
	flags.SetOutput(io.Discard) // an error is one line, and main prints it
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprint(stdout, about)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		_, _ = fmt.Fprint(stdout, statusHelp)
		return err
	case err != nil:
		return fail(statusUsage, "%w: -h shows the flags", err)
	case flags.NArg() > len(names):
		return fail(statusUsage, "unexpected argument %q: -h shows the flags", flags.Arg(len(names)))
	case flags.NArg() < len(names):
		return fail(statusUsage, "the argument %s is missing: -h shows the flags", names[flags.NArg()])
	}
	return nil
}
