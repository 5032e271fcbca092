package report

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// verdicts are those of the goals of one scenario, by what was asked.
func verdicts(name string, results ...Result) map[string]string {
	of := map[string]string{}
	for _, g := range Goals(results, scenario.Options{}) {
		if g.Scenario == name {
			of[g.Asked] = g.Verdict()
		}
	}
	return of
}

// ofWay is a line of wsstream, in one way.
func ofWay(way, metric string, v float64) Line {
	run := scenario.Run{Values: map[string]float64{metric: v}}
	return Line{Library: scenario.Ours, Way: way, Runs: []scenario.Run{run}}
}

func TestGoalsFollowFromWhatWasMeasured(t *testing.T) {
	rate := scenario.Metric{Name: scenario.PerSecond}
	source := scenario.Sized(scenario.Source, 64)
	libs := func(ours float64) map[string][]float64 {
		return map[string][]float64{"wsstream": {ours}, "gorilla": {1}, "coder": {2}, "gws": {3}}
	}
	median := "messages a second: ≥ 20× the median peer"
	best := "messages a second: ≥ 10× the best peer"
	require.Equal(t, map[string]string{median: "met", best: "met"},
		verdicts(source, result(source, rate, libs(40))))
	require.Equal(t, map[string]string{median: "missed", best: "met"},
		verdicts(source, result(source, rate, libs(39))))
	require.Equal(t, map[string]string{median: "missed", best: "missed"},
		verdicts(source, result(source, rate, libs(29))))
	require.Equal(t, map[string]string{median: "not measured", best: "not measured"}, verdicts(source))
}

func TestAGoalOfALimitIsMetAtTheLimit(t *testing.T) {
	idle := scenario.Idle(true, false)
	metric := scenario.Metric{Name: scenario.IdleAt(8000), Lower: true}
	asked := "8000 connections, each: ≤ 5 KiB"
	require.Equal(t, "met",
		verdicts(idle, result(idle, metric, map[string][]float64{"wsstream": {5}}))[asked])
	require.Equal(t, "missed",
		verdicts(idle, result(idle, metric, map[string][]float64{"wsstream": {5.1}}))[asked])
}

func TestTheFastAreComparedWithAllFast(t *testing.T) {
	o := scenario.Options{}
	rate := scenario.Metric{Name: scenario.FastRate}
	none, some := scenario.RoomName(o, 0, ""), scenario.RoomName(o, 50, scenario.Stopped)
	asked := "the fast keep ≥ 0.95× of what they get when none is"
	all := result(none, rate, map[string][]float64{"wsstream": {500}})
	require.Equal(t, "met",
		verdicts(some, all, result(some, rate, map[string][]float64{"wsstream": {475}}))[asked])
	require.Equal(t, "missed",
		verdicts(some, all, result(some, rate, map[string][]float64{"wsstream": {474}}))[asked])
}

func TestAStallMayCostWhatAnEmptyProcessCosts(t *testing.T) {
	cpu := scenario.Metric{Name: scenario.StallCPU, Lower: true}
	verdict := func(values map[string][]float64) (v string) {
		for _, v = range verdicts(scenario.StallName, result(scenario.StallName, cpu, values)) {
		}
		return v
	}
	empty := []float64{0.02, 0.05}
	require.Equal(t, "met",
		verdict(map[string][]float64{"wsstream": {0.05}, scenario.EmptyProcess: empty}))
	require.Equal(t, "missed",
		verdict(map[string][]float64{"wsstream": {0.1}, scenario.EmptyProcess: empty}))
	require.Equal(t, "not measured", verdict(map[string][]float64{"wsstream": {0.05}}))
}

func TestAContextMayCostATwentieth(t *testing.T) {
	const asked = "Write with a context that can end, of its time with context.Background: ≤ 1.05×"
	verdict := func(with float64) string {
		r := Result{Scenario: scenario.Writing}
		for way, ns := range map[string]float64{"Write": with, "Write" + scenario.InBackground: 100} {
			r.Lines = append(r.Lines, ofWay(way, scenario.Nanoseconds, ns))
		}
		return verdicts(scenario.Writing, r)[asked]
	}
	require.Equal(t, "met", verdict(105))
	require.Equal(t, "missed", verdict(106))
}

func TestGoalsOfVeryManyConnectionsAreAboutHandle(t *testing.T) {
	one := scenario.Sized(scenario.One(scenario.Options{}), 64)
	cpu := scenario.Metric{Name: scenario.CPU, Lower: true}
	verdict := func(handled float64) map[string]string {
		r := result(one, cpu, map[string][]float64{"wsstream": {50}, "gws": {11}, "nbio": {9.9}})
		r.Lines = append(r.Lines, ofWay(scenario.Handled, scenario.CPU, handled))
		return verdicts(one, r)
	}
	goroutines := "Handle, CPU a message: ≥ 1.1× the best peer with a goroutine each"
	nbio := "Handle, CPU a message: ≥ 1× nbio"
	require.Equal(t, map[string]string{goroutines: "met", nbio: "met"}, verdict(9.9))
	require.Equal(t, map[string]string{goroutines: "met", nbio: "missed"}, verdict(10))
	require.Equal(t, map[string]string{goroutines: "missed", nbio: "missed"}, verdict(10.1))
}

func TestARoomIsComparedWithPeersThatLimitTheirQueuesAndWithOthers(t *testing.T) {
	race := scenario.RaceName(scenario.Options{}, 50, 1<<10)
	rate := scenario.Metric{Name: scenario.Lossless}
	verdict := func(try, unlimited float64) map[string]string {
		r := result(race, rate, map[string][]float64{"wsstream": {40}, "gorilla": {10}})
		gws := ofWay("queues"+scenario.NoLimit, scenario.Lossless, unlimited)
		gws.Library = "gws"
		r.Lines = append(r.Lines, ofWay(scenario.TryLoop, scenario.Lossless, try), gws)
		return verdicts(race, r)
	}
	limited := scenario.Lossless + ": ≥ 4× the best peer that limits its queues"
	others := scenario.Lossless + ": ≥ 2× the best peer that does not"
	try := scenario.TryLoop + ", " + scenario.Lossless +
		": ≥ 1.5× the best peer that limits its queues"
	require.Equal(t, map[string]string{limited: "met", others: "met", try: "met"}, verdict(15, 20))
	require.Equal(t, map[string]string{limited: "met", others: "missed", try: "missed"},
		verdict(14, 21))
}

func TestABroadcastMayTakeLittleLongerWhileSomeAreStopped(t *testing.T) {
	o := scenario.Options{}
	none, some := scenario.CastName(o, 0), scenario.CastName(o, 1000)
	asked := scenario.Feed + ", " + scenario.Reached + ", of the time when none is stopped: ≤ 1.05×"
	ours := func(name string, ms float64) Result {
		return Result{Scenario: name, Lines: []Line{ofWay(scenario.Feed, scenario.Reached, ms)}}
	}
	require.Equal(t, "met", verdicts(some, ours(none, 100), ours(some, 105))[asked])
	require.Equal(t, "missed", verdicts(some, ours(none, 100), ours(some, 106))[asked])
}

func TestABroadcastIsComparedByItsCostWithFeed(t *testing.T) {
	name := scenario.CastName(scenario.Options{}, 0)
	cpu := scenario.Metric{Name: scenario.DeliverCPU, Lower: true}
	verdict := func(fed float64) string {
		r := result(name, cpu, map[string][]float64{"wsstream": {50}, "gws": {13}, "nbio": {14}})
		r.Lines = append(r.Lines, ofWay(scenario.Feed, scenario.DeliverCPU, fed))
		return verdicts(name, r)[scenario.Feed+", CPU a delivery: ≥ 1.3× the best peer"]
	}
	require.Equal(t, "met", verdict(10))
	require.Equal(t, "missed", verdict(10.1))
}
