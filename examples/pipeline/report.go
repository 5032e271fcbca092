package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
)

// report prints what was sent and received, and the most that each end held. Of a side in another process it knows
// what that said it has counted, and no more.
func report(w io.Writer, outcomes []outcome, window int) error {
	flows := map[string]wsstream.Flow{}
	for _, o := range outcomes {
		flows[o.own] = o.flow
	}
	sent, received := outcomes[0].sent, outcomes[len(outcomes)-1].received
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tbytes\theld at most\twindow\twaited\tsha256")
	for _, row := range []struct {
		name string
		total
	}{{"sent", sent}, {"received", received}} {
		held, of, waited := "elsewhere", "", ""
		if f, ok := flows[row.name]; ok {
			held, of, waited = humanize.Comma(f.HeldMax), humanize.Comma(int64(window)), f.Stalled.Round(time.Millisecond).String()
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", row.name, humanize.Comma(row.Bytes), held, of, waited, row.SHA256)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	took := outcomes[0].took
	_, err := fmt.Fprintf(w, "%s in %v: %s\n", humanize.Bytes(uint64(received.Bytes)), took.Round(time.Millisecond), speed(received.Bytes, took))
	return err
}
