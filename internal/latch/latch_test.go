package latch

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestCloseCountsOnce(t *testing.T) {
	for name, prepare := range map[string]func(*Latch){
		"no call has waited": func(*Latch) {},
		"a call has waited":  func(l *Latch) { l.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			var l Latch
			prepare(&l)
			require.False(t, l.Closed())
			require.True(t, l.Close())
			require.True(t, l.Closed())
			require.False(t, l.Close())
		})
	}
}

func TestConcurrentClosesHaveOneWinner(t *testing.T) {
	for range 100 {
		var l Latch
		var wg sync.WaitGroup
		var won atomic.Int32
		for range 4 {
			wg.Go(func() {
				if l.Close() {
					won.Add(1)
				}
			})
			wg.Go(func() { <-l.Done() })
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

func TestDoneReturnsTheSameChannelBeforeAndAfterClose(t *testing.T) {
	var l Latch
	before := l.Done()
	l.Close()
	require.Equal(t, before, l.Done())
}

func TestDoneWakesAllWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Latch
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { <-l.Done() })
		}
		synctest.Wait()
		require.True(t, l.Close())
		wg.Wait()
		<-l.Done()
	})
}

func TestDoneAfterCloseDoesNotWait(t *testing.T) {
	var l Latch
	l.Close()
	<-l.Done()
}
