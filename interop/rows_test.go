//go:build interop

package main

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

var core = flag.Bool("core", false, "run the rows that CI runs")

// The rows run one after the other: what they measure would be less true otherwise.
func TestRow(t *testing.T) {
	chosen, err := choose(rows(), "", *core)
	require.NoError(t, err)
	for _, row := range chosen {
		t.Run(row.ID(), func(t *testing.T) {
			var log bytes.Buffer
			r := trial.Run(t.Context(), row, &locked{w: &log})
			if !r.OK() {
				t.Logf("its programs said:\n%s", tail(log.Bytes()))
			}
			require.True(t, r.OK(), "%v %v", r.Missing, r.Failed)
		})
	}
}
