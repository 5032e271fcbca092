package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(*console) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages into a directory",
		Long: `Man writes wsstream.1 and a page for each subcommand into a directory. It makes the
directory if it does not exist.`,
		Example: "  wsstream man ~/.local/share/man/man1",
		Args:    exactArgs("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			cmd.Root().DisableAutoGenTag = true
			date := time.Unix(0, 0) // a date of its own would make each page new
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{
				Section: "1", Date: &date, Source: "wsstream", Manual: "User Commands",
			}, args[0])
		},
	}
}

// exactArgs demands the arguments that are named, and says which one is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing: %s", names[len(args)], cmd.UseLine())
		}
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}
