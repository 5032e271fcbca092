package stream_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestScanDeliversEachState(t *testing.T) {
	sum := func(s, v int) (int, error) { return s + v, nil }
	require.Equal(t, []int{11, 13, 16}, collect(t, stream.Scan(stream.From(1, 2, 3), 10, sum)))
}

func TestFilterDropsWhatIsNotWanted(t *testing.T) {
	odd := func(v int) bool { return v%2 == 1 }
	require.Equal(t, []int{1, 3}, collect(t, stream.Filter(stream.From(1, 2, 3, 4), odd)))
}

func TestFlatMapGoesOnBehindSkipAndStopsAtAnError(t *testing.T) {
	stopped := false
	r := stream.FlatMap(stream.From(1, 2), func(v int) iter.Seq2[int, error] {
		if v == 1 {
			return nil
		}
		return func(yield func(int, error) bool) {
			_ = yield(1, nil) && yield(0, stream.Skip) && yield(2, nil)
			stopped = !yield(0, errBoom)
		}
	})
	require.Equal(t, 1, pull(t, r))
	require.Equal(t, 2, pull(t, r))
	wantEnd(t, r, errBoom)
	require.True(t, stopped)
}
