package report

import (
	"fmt"
	"math"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

const (
	bestPeer   = "the best peer"
	medianPeer = "the median peer"
)

// speed is what was asked of one connection's speed.
func (b *board) speed() {
	const s, k, l, xl = 64, 1 << 10, 64 << 10, 1 << 20
	r := b.result(scenario.Sized(scenario.PingPong, s))
	b.least(r, scenario.P50, true, bestPeer, r.best(scenario.P50, true), 1)
	b.most(r.Scenario, "p50, of raw's", r.ours(scenario.P50)/r.raw(scenario.P50), 1.1, "×")
	b.least(r, scenario.P99, true, bestPeer, r.best(scenario.P99, true), 1)

	rate := scenario.PerSecond
	r = b.result(scenario.Sized(scenario.Pipeline, s))
	b.least(r, rate, false, bestPeer, r.best(rate, false), 5)
	r = b.result(scenario.Sized(scenario.Source, s))
	b.least(r, rate, false, medianPeer, Of(r.peers(rate)).Median, 20)
	b.least(r, rate, false, bestPeer, r.best(rate, false), 10)
	r = b.result(scenario.Sized(scenario.Sink, s))
	b.least(r, rate, false, bestPeer, r.best(rate, false), 1.3)
	for _, name := range []string{scenario.Source, scenario.Sink} {
		for _, size := range []int{l, xl} {
			r = b.result(scenario.Sized(name, size))
			b.least(r, rate, false, bestPeer, r.best(rate, false), 1)
			b.least(r, rate, false, "raw", r.raw(rate), 0.9)
		}
	}
	r = b.result(scenario.Sized(scenario.Both, k))
	b.least(r, rate, false, bestPeer, r.best(rate, false), 2)
}

// cost is what was asked of allocations, contexts and idle connections.
func (b *board) cost() {
	const noise = 0.01 // allocations a message that are the harness's: its samples
	reading, writing := b.result(scenario.Reading), b.result(scenario.Writing)
	for _, c := range []struct {
		call string
		in   Result
		most float64
	}{
		{"PullInto", reading, 0},
		{"Pull", reading, 1},
		{"NextMessage", reading, 0},
		{scenario.Handled, reading, 0},
		{"Write", writing, 0},
		{"TryWrite", writing, 0},
	} {
		v := c.in.way(c.call, scenario.Allocations)
		b.add(c.in.Scenario, fmt.Sprintf("%s: %s allocations a message", c.call, trim(c.most)), v, "",
			v <= c.most+noise)
	}
	b.context(reading, "PullInto")
	b.context(writing, "Write")

	scale := scenario.IdleScale(b.options)
	metric := scenario.IdleAt(scale[len(scale)-1])
	for _, bare := range []bool{true, false} {
		for _, reading := range []bool{false, true} {
			r := b.result(scenario.Idle(bare, reading))
			most := 8.0
			if bare {
				most = 5
			}
			b.most(r.Scenario, metric+", each", r.ours(metric), most, " KiB")
			if reading { // without, a peer has no goroutine
				b.least(r, metric, true, "the best peer with a goroutine each",
					r.without("nbio").best(metric, true), 1)
			}
		}
	}
}

// crowds is what was asked of very many connections whose messages are pushed to a function.
func (b *board) crowds() {
	scale := scenario.IdleScale(b.options)
	metric := scenario.IdleAt(scale[len(scale)-1])
	for _, bare := range []bool{true, false} {
		r := b.result(scenario.Idle(bare, true))
		b.most(r.Scenario, scenario.Handled+", "+metric+", each", r.way(scenario.Handled, metric), 2.5,
			" KiB")
	}
	for _, size := range []int{64, 1 << 10} {
		r := b.result(scenario.Sized(scenario.Ten(b.options), size))
		b.handled(r, scenario.CPU, bestPeer, r.best(scenario.CPU, true), 1.1)
		b.handled(r, scenario.P50, bestPeer, r.best(scenario.P50, true), 1)
		b.handled(r, scenario.P99, bestPeer, r.best(scenario.P99, true), 1)

		r = b.result(scenario.Sized(scenario.One(b.options), size))
		b.handled(r, scenario.CPU, "the best peer with a goroutine each",
			r.without("nbio").best(scenario.CPU, true), 1.1)
		b.handled(r, scenario.CPU, "nbio", r.first("nbio", scenario.CPU), 1)
	}
	r := b.result(scenario.IdleTLS)
	metric = scenario.IdleAt(scenario.TLSScale(b.options)[0])
	b.handled(r, metric, bestPeer, r.best(metric, true), 1)
	rate := scenario.PerSecond
	r = b.result(scenario.Sized(scenario.SourceTLS, 64<<10))
	b.least(r, rate, false, bestPeer, r.best(rate, false), 1)
}

// handled asks that wsstream's way with Handle is so many times as good as other in a metric of
// which less is better.
func (b *board) handled(r Result, metric, than string, other, least float64) {
	b.inWay(r, scenario.Handled, metric, true, than, other, least)
}

// inWay asks that one of wsstream's ways is so many times as good as other in a metric.
func (b *board) inWay(
	r Result, way, metric string, lower bool, than string, other, least float64,
) {
	ratio := Ratio(r.way(way, metric), other, lower)
	b.add(r.Scenario, fmt.Sprintf("%s, %s: ≥ %s× %s", way, metric, trim(least), than), ratio, "×",
		ratio >= least)
}

// context asks what a context that can end costs a call.
func (b *board) context(r Result, call string) {
	b.most(r.Scenario, call+" with a context that can end, of its time with context.Background",
		r.way(call, scenario.Nanoseconds)/
			r.way(call+scenario.InBackground, scenario.Nanoseconds), 1.05, "×")
}

// slow is what was asked of slow consumers.
func (b *board) slow() {
	shares := scenario.Shares(b.options)
	none := b.result(scenario.RoomName(b.options, 0, ""))
	some := b.result(scenario.RoomName(b.options, shares[len(shares)-1], scenario.Stopped))
	kept := some.ours(scenario.FastRate) / none.ours(scenario.FastRate)
	b.add(some.Scenario, "the fast keep ≥ 0.95× of what they get when none is", kept, "×",
		kept >= 0.95)
	// the Conn's, and the subscription's
	windows := float64(scenario.Consumers(b.options)*2*wsstream.DefaultWriteWindow) / (1 << 20)
	b.most(some.Scenario, "growth, the sum of the windows", some.ours(scenario.Growth), windows,
		" MiB")

	r := b.result(scenario.StallName)
	noise := math.NaN()
	for _, l := range r.Lines {
		if l.Library == scenario.EmptyProcess {
			noise = l.Stat(scenario.StallCPU).Max
		}
	}
	ours := r.ours(scenario.StallCPU)
	if math.IsNaN(noise) {
		ours = noise // it was not measured beside anything
	}
	const clock = 0.01 // percent: what the samples themselves take
	b.add(r.Scenario, "CPU: not above that of an empty process, "+Number(noise)+" %", ours, " %",
		ours <= noise+clock)
}

// rooms is what was asked of one message that goes to many.
func (b *board) rooms() {
	for _, asked := range []struct {
		size  int
		times float64
	}{{1 << 10, 4}, {64, 6}} {
		shares := scenario.Shares(b.options)
		r := b.result(scenario.RaceName(b.options, shares[len(shares)-1], asked.size))
		rate := scenario.Lossless
		limited := r.only(func(l Line) bool { return !l.isUnlimited() }).best(rate, false)
		others := r.only(Line.isUnlimited).best(rate, false)
		const bestLimited = "the best peer that limits its queues"
		b.least(r, rate, false, bestLimited, limited, asked.times)
		b.least(r, rate, false, "the best peer that does not", others, 2)
		b.inWay(r, scenario.TryLoop, rate, false, bestLimited, limited, 1.5)
	}
	shares := scenario.CastShares(b.options)
	none := b.result(scenario.CastName(b.options, shares[0]))
	b.inWay(none, scenario.Feed, scenario.DeliverCPU, true, bestPeer,
		none.best(scenario.DeliverCPU, true), 1.3)
	some := b.result(scenario.CastName(b.options, shares[len(shares)-1]))
	b.most(some.Scenario, scenario.Feed+", "+scenario.Reached+", of the time when none is stopped",
		some.way(scenario.Feed, scenario.Reached)/none.way(scenario.Feed, scenario.Reached), 1.05, "×")
}

// without leaves a library out.
func (r Result) without(lib string) Result {
	return r.only(func(l Line) bool { return l.Library != lib })
}

// only leaves out all lines but those of which keep is true.
func (r Result) only(keep func(l Line) bool) Result {
	lines := r.Lines
	r.Lines = nil
	for _, l := range lines {
		if keep(l) {
			r.Lines = append(r.Lines, l)
		}
	}
	return r
}
