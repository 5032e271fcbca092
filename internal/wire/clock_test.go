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

func TestClockFirstLooksOnlyAtInstantsThatAreKnown(t *testing.T) {
	const early, late instant = 1, 2
	require.Equal(t, early, first(late, 0, early, late))
	require.Zero(t, first(0))
}

func TestClockCountsAsTimeDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, at := clock(), time.Now()
		require.Positive(t, begin)
		<-time.After(time.Minute)
		require.Equal(t, begin.add(time.Minute), clock())
		require.Equal(t, time.Since(at), clock().sub(begin))
	})
}
