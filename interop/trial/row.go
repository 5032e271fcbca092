// Package trial runs rows. A row is a program that no one here wrote, in one role, which talks to
// wsstream. A trial is one run of a row, and its result is what the row showed.
package trial

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Role is what the peer is.
type Role string

// The roles of peers.
const (
	Server Role = "server"
	Client Role = "client"
	Proxy  Role = "proxy"
)

// A Row is a peer in one role.
type Row struct {
	Name string
	Role Role

	// Needs are installed before the row runs.
	Needs []Need

	// Version returns the version of the peer that is installed.
	Version func(ctx context.Context) (string, error)

	// Run talks to the peer. It notes what it saw in the trial's Result.
	Run func(t *T)

	// Pitfalls are sentences about the peer for the table.
	Pitfalls []string

	// Known are the checks that fail because of a fault of the peer, with a sentence about the
	// fault. A known check that passes fails the row: the sentence is no longer true.
	Known map[string]string

	// Sometimes are the checks that a fault of the peer fails in some runs and not in others, with
	// a sentence about the fault.
	Sometimes map[string]string

	// Core says that the row is in the set that CI runs.
	Core bool
}

// ID returns what -only selects: the name and the role.
func (r *Row) ID() string { return r.Name + "/" + string(r.Role) }

// A Result is what a row showed.
type Result struct {
	Row     *Row
	Version string
	Missing error // why the peer could not be installed
	Failed  []string
	Passed  []string // names of checks
	Known   []string // names of checks that failed as Row.Known or Row.Sometimes says
	Cannot  []string // names of checks for which the peer's API has nothing
	Notes   []Note
	Took    time.Duration
}

// A Note is something that a trial measured.
type Note struct {
	What  string // a heading of the table
	Value string
}

// OK reports whether no check failed, in a row that ran or is Absent.
func (r *Result) OK() bool {
	return (r.Missing == nil || errors.Is(r.Missing, ErrAbsent)) && len(r.Failed) == 0
}

// Note returns the values that were noted under a heading.
func (r *Result) Note(what string) (values []string) {
	for _, n := range r.Notes {
		if n.What == what {
			values = append(values, n.Value)
		}
	}
	return values
}

// Bytes formats a number of bytes for a person.
func Bytes(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}
