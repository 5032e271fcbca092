// Wsstream connects programs, sockets and terminals to WebSockets, with flow control from end to
// end. The page docs/command.md has examples of everything:
//
//	wsstream dial URL                  # standard input and output are the two streams
//	wsstream serve [flags] -- COMMAND  # a process for each connection
//	wsstream relay LISTEN TARGET       # WebSocket, TCP and unix sockets in between
//	wsstream bench URL                 # load, and how long the answers take
//
// Each file is for one subcommand, or for what several of them share.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	stop := newInterrupts()
	os.Exit(run(stop, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// A console is what a subcommand is connected to.
type console struct {
	stop           *interrupts
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run is the program, its surroundings given. It returns the exit status.
func run(stop *interrupts, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &console{stop, stdin, stdout, stderr}
	out := &output{Writer: stdout}
	root := newRoot(c, out)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetErr(stderr)
	parsed := false
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	err := root.ExecuteContext(context.Background())
	switch {
	case errors.Is(out.err, syscall.EPIPE): // the reader has all that it wants
		err = nil
	case out.err != nil:
		err = out.err
	case err != nil && !parsed:
		err = usageError{err}
	}
	if err != nil {
		report(stderr, err)
	}
	return statusOf(err)
}

// An output remembers why help, a version or a completion was not written: cobra does not.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	o.err = cmp.Or(o.err, err)
	return n, err
}

// newRoot returns the command with its subcommands. Help goes to out.
func newRoot(c *console, out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "wsstream",
		Short: "Connect programs, sockets and terminals to WebSockets, with flow control",
		Long: `Wsstream connects programs, sockets and terminals to WebSockets. Flow control reaches
from end to end: the faster side waits for the slower one.

Exit status:
  0    the connection ended in order, or all was done
  1    a failure on this side: a file, a process, standard input or output
  2    wrong arguments
  3    no connection: the server was not reached, or refused
  4    the server closed with another code than 1000, or than our own
  5    the connection was lost, or the server broke the protocol
  130  an interrupt cut the connection

The first interrupt (Ctrl-C) closes in order and waits for the other side. The second cuts.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		root.Version = info.Main.Version
	}
	root.AddCommand(newDial(c), newServe(c), newRelay(c), newBench(c), newMan(c))
	root.SetOut(out) // before the commands of completion, which keep it
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion": // without a RunE it takes any shell, and shows the help
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		case "help": // its own Args takes any word
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return fmt.Errorf("unknown command %q", strings.Join(args, " "))
				}
				return nil
			}
		}
	}
	return root
}
