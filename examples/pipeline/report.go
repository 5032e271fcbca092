package main

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/console"
)

// report prints what was sent and received, and the most that each end held. Of a side in another
// process it knows what that said it has counted, and no more.
func report(w io.Writer, outcomes []outcome, window int) error {
	flows := map[string]wsstream.Flow{}
	for _, o := range outcomes {
		flows[o.own] = o.flow
	}
	sent, received := outcomes[0].sent, outcomes[len(outcomes)-1].received
	// 40 columns for a gigabyte
	table := [][]string{{""}, {"bytes"}, {"held at most"}, {"window"}, {"waited"}}
	for _, side := range []struct {
		name string
		total
	}{{"sent", sent}, {"received", received}} {
		cells := []string{side.name, humanize.Comma(side.Bytes), "elsewhere", "", ""}
		if f, ok := flows[side.name]; ok {
			cells[2] = humanize.Comma(f.HeldMax)
			cells[3] = humanize.Comma(int64(window))
			cells[4] = f.Stalled.Round(time.Millisecond).String()
		}
		for i, cell := range cells {
			table[i] = append(table[i], cell)
		}
	}
	if err := console.Table(w, table...); err != nil {
		return err
	}
	took := outcomes[0].took
	_, err := fmt.Fprintf(w, "%s in %v: %s\n", humanize.Bytes(uint64(received.Bytes)),
		took.Round(time.Millisecond), console.Speed(received.Bytes, took))
	if err != nil {
		return err
	}
	return console.Sums(w, sent.SHA256, received.SHA256)
}
