package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wsstream/wsstream"
)

// The exit statuses. The help of the command lists them, too.
const (
	statusFailure   = 1
	statusUsage     = 2
	statusNoConn    = 3
	statusCode      = 4
	statusLost      = 5
	statusInterrupt = 130
)

// A usageError is a wrong argument.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A connectError is why there is no connection.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

// errCut is the end that the second interrupt makes, and the first before there is a connection.
var errCut = errors.New("interrupted")

// statusOf returns the exit status for the error of a subcommand.
func statusOf(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errCut):
		return statusInterrupt
	case is[usageError](err):
		return statusUsage
	case is[connectError](err):
		return statusNoConn
	}
	switch code := wsstream.CloseCode(err); code {
	case -1:
		return statusFailure
	case 1006:
		return statusLost
	default:
		return statusCode
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// report prints an error as one line.
func report(w io.Writer, err error) {
	text := oneLine(err)
	if is[usageError](err) {
		text += " (see wsstream --help)"
	}
	_, _ = fmt.Fprintln(w, "wsstream:", text)
}

// oneLine returns an error's text without line breaks, and without the library's own prefixes.
func oneLine(err error) string {
	text := ": " + strings.Join(strings.Fields(err.Error()), " ")
	text = strings.NewReplacer(": wsstream: ", ": ", ": stream: ", ": ").Replace(text)
	return strings.TrimPrefix(text, ": ")
}
