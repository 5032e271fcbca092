package scenario

import "math"

const (
	firstRate = 1000           // messages a second that a search tries first
	leastRate = firstRate / 40 // none below is tried
	mostRate  = firstRate << 10
	halvings  = 3 // of what lies between two rates that differ by a factor of two: to 9 %
)

// fastest returns the highest rate up to most at which ok reports true, to within a tenth. If ok
// reports false down to the lowest rate, it returns 0. A rate at which ok reports false is tried
// once more, because the machine may have done something else.
func fastest(most float64, ok func(rate float64) (bool, error)) (float64, error) {
	var err error
	try := func(rate float64) bool {
		good := false
		for i := 0; i < 2 && !good && err == nil; i++ {
			good, err = ok(rate)
		}
		return good
	}
	low, high := 0.0, float64(firstRate)
	for ; high <= most && try(high); high *= 2 {
		low = high
	}
	for ; low == 0 && high/2 >= leastRate && err == nil; high /= 2 {
		if try(high / 2) {
			low = high / 2
			break
		}
	}
	for i := 0; i < halvings && low > 0 && high <= most && err == nil; i++ {
		if middle := math.Sqrt(low * high); try(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low, err
}
