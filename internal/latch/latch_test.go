package latch

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestCloseCountsOnce(t *testing.T) {
	var l Latch
	require.False(t, l.Closed())
	n := 0
	require.True(t, l.Close(func() {
		require.False(t, l.Closed(), "the latch is closed before first returns")
		n++
	}))
	require.True(t, l.Closed())
	require.False(t, l.Close(func() { n++ }))
	require.False(t, l.Close(nil))
	require.Equal(t, 1, n)
}

func TestDoneWakesAllWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Latch
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { <-l.Done() })
		}
		synctest.Wait()
		require.True(t, l.Close(nil))
		wg.Wait()
		<-l.Done()
	})
}

func TestDoneAfterCloseDoesNotWait(t *testing.T) {
	var l Latch
	l.Close(nil)
	<-l.Done()
}
