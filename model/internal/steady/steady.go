// Package steady lets each test run of a model draw the same programs.
package steady

import (
	"flag"
	"strings"
)

// Draws lets rapid draw the same programs in each run, unless a flag of rapid is set. So a change is
// not refused for a fault that it has not made, and a long run, which sets rapid.checks, draws new
// programs. It must be called behind flag.Parse.
func Draws() {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || strings.HasPrefix(f.Name, "rapid.") })
	if f := flag.Lookup("rapid.seed"); f != nil && !set {
		_ = f.Value.Set("1")
	}
}
