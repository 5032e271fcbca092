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
	"context"
	"io"
	"os"
	"runtime/debug"

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
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	parsed := false
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	err := root.ExecuteContext(context.Background())
	if err != nil && !parsed {
		err = usageError{err}
	}
	if err != nil {
		report(stderr, err)
	}
	return statusOf(err)
}

// newRoot returns the command with its subcommands.
func newRoot(c *console) *cobra.Command {
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
	root.InitDefaultCompletionCmd("completion")
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" { // without a RunE it takes any shell, and shows the help
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}
