package scenario

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASearchFindsTheHighestRateToATenth(t *testing.T) {
	for _, limit := range []float64{32, 63, 999, 1000, 1001, 6400, 25000, 1 << 19} {
		tries := 0
		rate, err := fastest(mostRate, func(rate float64) (bool, error) {
			tries++
			return rate <= limit, nil
		})
		require.NoError(t, err)
		require.LessOrEqual(t, rate, limit)
		require.Greater(t, rate, limit/1.1)
		require.Less(t, tries, 26, limit)
	}
}

func TestASearchEndsAtItsBounds(t *testing.T) {
	rate, err := fastest(mostRate, func(rate float64) (bool, error) {
		require.GreaterOrEqual(t, rate, float64(leastRate))
		return false, nil
	})
	require.NoError(t, err)
	require.Zero(t, rate)
	rate, err = fastest(2000, func(rate float64) (bool, error) {
		require.LessOrEqual(t, rate, 2000.0)
		return true, nil
	})
	require.NoError(t, err)
	require.Equal(t, 2000.0, rate)
}

func TestASearchTriesARateThatFailedOnceMore(t *testing.T) {
	failed := map[float64]bool{}
	rate, err := fastest(mostRate, func(rate float64) (bool, error) {
		again := failed[rate]
		failed[rate] = true
		return again && rate <= 5000, nil
	})
	require.NoError(t, err)
	require.Greater(t, rate, 5000/1.1)
}

func TestASearchEndsWithAnError(t *testing.T) {
	broken := errors.New("broken")
	for _, first := range []float64{firstRate, 2 * firstRate, 1500} {
		tries := 0
		_, err := fastest(mostRate, func(rate float64) (bool, error) {
			if tries++; rate < first {
				return true, nil
			}
			first = 1 << 30 // it would be well again
			return false, broken
		})
		require.ErrorIs(t, err, broken)
		require.Less(t, tries, 4)
	}
}
