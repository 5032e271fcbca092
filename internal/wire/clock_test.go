package wire

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClockIdleTicksAreTheSameForAllConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks := map[int64]bool{}
		for begin := time.Now(); time.Since(begin) < idleWait; <-time.After(idleWait / 100) {
			d := idleTick()
			require.LessOrEqual(t, d, idleWait)
			require.Greater(t, d, idleWait/2)
			ticks[time.Now().Add(d).UnixNano()] = true
		}
		require.Len(t, ticks, 2, "one in 5 ms")
	})
}

func TestClockFirstAndLastLookOnlyAtTimesThatAreKnown(t *testing.T) {
	early := time.Unix(1, 0)
	late := time.Unix(2, 0)
	require.Equal(t, early, first(late, time.Time{}, early, late))
	require.Equal(t, late, last(early, time.Time{}, late, early))
	require.Zero(t, first(time.Time{}))
	require.Zero(t, last())
}
