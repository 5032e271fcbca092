package peer

import (
	"slices"
	"sync"
	"time"
)

// latencies are times that were taken. All are kept, so that the percentiles are exact.
type latencies struct {
	mu    sync.Mutex
	times []time.Duration // guarded by mu
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.times = append(l.times, d)
	l.mu.Unlock()
}

// take returns the times, and forgets them.
func (l *latencies) take() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := l.times
	l.times = nil
	return times
}

// Percentiles returns the median and the 99th percentile of times, in microseconds. It sorts them.
// Of none, both are 0.
func Percentiles(times []time.Duration) (p50, p99 float64) {
	if len(times) == 0 {
		return 0, 0
	}
	slices.Sort(times)
	return micros(percentile(times, 50)), micros(percentile(times, 99))
}

// percentile is the smallest of the sorted times that at least p percent do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)*p+99)/100-1]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
