// Package report makes tables, goals and files of what was measured.
package report

import (
	"math"
	"slices"
)

// A Stat is what several runs gave.
type Stat struct{ Median, Min, Max float64 }

// Of returns the median and the spread of values, which it leaves as they are. Of none all is NaN.
func Of(values []float64) Stat {
	if len(values) == 0 {
		return Stat{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	s := Stat{sorted[mid], sorted[0], sorted[len(sorted)-1]}
	if len(sorted)%2 == 0 {
		s.Median = (sorted[mid-1] + sorted[mid]) / 2
	}
	return s
}

// Ratio is how many times as good a is as b: above 1 it is better, whether more is or less. If both
// are 0 it is 1.
func Ratio(a, b float64, lower bool) float64 {
	if lower {
		a, b = b, a
	}
	if a == b {
		return 1
	}
	return a / b
}

// better reports whether a is better than b.
func better(a, b float64, lower bool) bool {
	if lower {
		return a < b
	}
	return a > b
}

// tie is how many times as good one may be as another and still be as good.
const tie = 1.01

// beats reports whether a is better than b by more than a tie.
func beats(a, b float64, lower bool) bool { return Ratio(a, b, lower) > tie }
