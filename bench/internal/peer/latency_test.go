package peer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

func TestPercentilesAreExact(t *testing.T) {
	var l latencies
	for i := range 200 { // in no order
		l.add(time.Duration((i*77)%200+1) * time.Microsecond)
	}
	p50, p99 := Percentiles(l.take())
	require.Equal(t, 100.0, p50)
	require.Equal(t, 198.0, p99)
	p50, p99 = Percentiles(l.take())
	require.Zero(t, p50, "they were taken")
	require.Zero(t, p99)
	for i := range 60 {
		l.add(time.Duration(i+1) * time.Microsecond)
	}
	_, p99 = Percentiles(l.take())
	require.Equal(t, 60.0, p99, "59 of 60 are less than 99 percent")
	l.add(time.Microsecond)
	p50, p99 = Percentiles(l.take())
	require.Equal(t, 1.0, p50)
	require.Equal(t, 1.0, p99)
}

func TestAConsumerCountsWhatDidNotCome(t *testing.T) {
	var s consumers
	s.all = []*consumer{
		{received: 3, first: 0, last: 2, at: 70},
		{received: 3, first: 5, last: 9, at: 80},
		{first: -1, last: -1},
	}
	var state State
	s.state(&state)
	require.EqualValues(t, 6, state.Fast)
	require.EqualValues(t, 2, state.FastLost, "the second lacks two, the third had nothing yet")
	require.EqualValues(t, 80, state.FastAt)
}

func TestTheSamplesOfAllPeersAreAdded(t *testing.T) {
	sample := func(n int64) Sample {
		return Sample{proc.Usage{At: time.Duration(n), CPU: time.Duration(n)},
			State{In: n, Out: n, Cut: n, Fast: n, FastLost: n, FastAt: time.Duration(n)}}
	}
	var all Sample
	all.Add(sample(5))
	all.Add(sample(3))
	want := sample(8)
	want.At, want.FastAt = 5, 5 // the latest
	require.Equal(t, want, all)
}
