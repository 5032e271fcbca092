package report

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheMedianIsTheMiddleAndTheSpreadTheEnds(t *testing.T) {
	values := []float64{5, 1, 3}
	require.Equal(t, Stat{Median: 3, Min: 1, Max: 5}, Of(values))
	require.Equal(t, []float64{5, 1, 3}, values, "they are left as they were")
	require.Equal(t, Stat{Median: 2.5, Min: 1, Max: 9}, Of([]float64{9, 1, 2, 3}),
		"between the two in the middle")
	require.Equal(t, Stat{Median: 7, Min: 7, Max: 7}, Of([]float64{7}))
	require.True(t, math.IsNaN(Of(nil).Median))
}

func TestARatioAboveOneIsBetter(t *testing.T) {
	require.Equal(t, 2.0, Ratio(10, 5, false))
	require.Equal(t, 0.5, Ratio(10, 5, true))
	require.Equal(t, 1.0, Ratio(0, 0, true))
	require.True(t, math.IsInf(Ratio(0, 5, true), 1))
	require.True(t, math.IsNaN(Ratio(math.NaN(), 5, true)))
}

func TestAHundredthIsATie(t *testing.T) {
	require.False(t, beats(100.9, 100, false))
	require.True(t, beats(101.1, 100, false))
	require.False(t, beats(100, 100.9, true))
	require.True(t, beats(100, 101.1, true))
	require.True(t, beats(0, 1, true))
	require.False(t, beats(0, 0, true))
	require.False(t, beats(math.NaN(), 1, true))
	require.False(t, beats(1, math.NaN(), true))
}

func TestANumberHasThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0:         "0",
		0.01234:   "0.012",
		1.234:     "1.23",
		12.34:     "12.3",
		123.4:     "123",
		1234:      "1234",
		9994:      "9994",
		12345:     "12.3 k",
		999_400:   "999 k",
		999_600:   "1.00 M",
		1_234_567: "1.23 M",
	} {
		require.Equal(t, want, Number(v))
	}
	require.Equal(t, "–", Number(math.NaN()))
	require.Equal(t, "–", Number(math.Inf(1)))
}
