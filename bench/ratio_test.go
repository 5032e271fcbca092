package main_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/library"
)

const (
	leastPairs = 5                     // what a median needs
	aRun       = 60 * time.Millisecond // about how long the slower library's run of a pair takes
)

// BenchmarkRatio runs wsstream and gorilla in turns, A B B A A B …, so that what else the machine does befalls both
// alike, and reports how many times gorilla's speed wsstream has: the median of the pairs, and the least and the
// largest as the spread. Every run has a fresh connection and a warm-up of its own, and its time ends when the other
// side has all messages.
func BenchmarkRatio(b *testing.B) {
	forEach(b, func(b *testing.B, open func(testing.TB, library.Library) opener, s scenario, size int) {
		ours, theirs := open(b, library.Wsstream), open(b, library.Gorilla)
		n := max(calibrate(b, ours, s, size), calibrate(b, theirs, s, size))
		var ratios []float64
		pair := func() {
			var a, t time.Duration
			if len(ratios)%2 == 0 {
				a, t = measure(b, ours, s, size, n), measure(b, theirs, s, size, n)
			} else {
				t, a = measure(b, theirs, s, size, n), measure(b, ours, s, size, n)
			}
			ratios = append(ratios, float64(t)/float64(a))
		}
		for b.Loop() {
			pair()
		}
		for len(ratios) < leastPairs {
			pair()
		}
		slices.Sort(ratios)
		b.ReportMetric(0, "ns/op") // of a pair: it means nothing
		b.ReportMetric(median(ratios), "wsstream/gorilla")
		b.ReportMetric(ratios[0], "min")
		b.ReportMetric(ratios[len(ratios)-1], "max")
		b.ReportMetric(float64(len(ratios)), "pairs")
	})
}

// measure returns how long n messages take on a fresh link.
func measure(b *testing.B, open opener, s scenario, size, n int) time.Duration {
	l := open()
	defer l.close()
	require.NoError(b, s.run(l, size, max(n/10, 10)), "warm-up")
	start := time.Now()
	require.NoError(b, s.run(l, size, n))
	return time.Since(start)
}

// calibrate returns how many messages take about as long as a run should.
func calibrate(b *testing.B, open opener, s scenario, size int) int {
	const most = 1 << 24
	for n := 64; ; n *= 2 {
		if d := measure(b, open, s, size, n); d > aRun/4 || n >= most {
			return int(float64(n) * float64(aRun) / float64(d))
		}
	}
}

// median expects ratios to be sorted.
func median(ratios []float64) float64 {
	mid := len(ratios) / 2
	if len(ratios)%2 == 1 {
		return ratios[mid]
	}
	return (ratios[mid-1] + ratios[mid]) / 2
}
