package chart

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// results are of the quick scale, with the same figures for every entry.
func results(o scenario.Options) []report.Result {
	var results []report.Result
	for _, sc := range scenario.Select(o, scenario.Selection{}) {
		r := report.Result{Scenario: sc.Name, Metrics: sc.Metrics}
		for _, e := range sc.Entries {
			run := scenario.Run{
				Values: map[string]float64{},
				Memory: []scenario.Point{{Seconds: 1, RSS: 0}, {Seconds: 2, RSS: 3}},
			}
			for _, m := range sc.Metrics {
				run.Values[m.Name] = 1
			}
			r.Lines = append(r.Lines, report.Line{Library: e.Library, Way: e.Way, Runs: []scenario.Run{run}})
		}
		results = append(results, r)
	}
	return results
}

func names(t *testing.T, dir string) (names []string) {
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestEachChartIsDrawnThatThereAreFiguresFor(t *testing.T) {
	o := scenario.Options{Quick: true}
	dir := t.TempDir()
	require.NoError(t, Write(dir, "svg", results(o), o))
	all := []string{"memory-relay.svg", "memory-room.svg", "room-1k.svg", "slow.svg", "throughput.svg"}
	require.Equal(t, all, names(t, dir))

	dir = t.TempDir()
	require.NoError(t, Write(dir, "svg", nil, o))
	require.Empty(t, names(t, dir))
}

func TestEveryLibraryHasItsLook(t *testing.T) {
	for _, lib := range scenario.Libraries() {
		require.Contains(t, looks, lib)
	}
}

func TestTheAxesEndWhereTheDataDoes(t *testing.T) {
	o := scenario.Options{Quick: true}
	all := byName{}
	for _, r := range results(o) {
		all[r.Scenario] = r
	}
	growth := overTime(all[scenario.RelayName])
	require.Equal(t, 2.0, growth.X.Max)
	require.Equal(t, 10.0, growth.Y.Max, "a whole decade at least")
	fast := held(all, o)
	require.Equal(t, 0.0, fast.X.Min)
	require.Equal(t, 1.0, fast.X.Max)
}

func TestEachWayOfALibraryHasALineOfItsOwn(t *testing.T) {
	var seen []string
	each([]report.Line{{Library: "wsstream", Way: "a"}, {Library: "gws", Way: "b"},
		{Library: "wsstream", Way: "c"}, {Library: "wsstream", Way: "d"}},
		func(l report.Line, n int) { seen = append(seen, fmt.Sprint(l.Way, n)) })
	require.Equal(t, []string{"b0", "a0", "c1", "d2"}, seen, "wsstream last")
	require.NotEqual(t, stroke("wsstream", 1), stroke("wsstream", 2))
	require.NotEqual(t, stroke("wsstream", 0), stroke("wsstream", 1))
}

func TestStepsAreRoundAndTenAtMost(t *testing.T) {
	for to, step := range map[float64]float64{500: 50, 501: 100, 1001: 200, 28000: 5000, 1: 0.1} {
		ticks := steps{}.Ticks(0, to)
		require.Zero(t, ticks[0].Value)
		require.Equal(t, step, ticks[1].Value, to)
		require.LessOrEqual(t, len(ticks), 11)
	}
}
