package soak

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsageFindsALeakedGoroutine(t *testing.T) {
	before, err := measure(true)
	require.NoError(t, err)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with the test
		<-end
		close(ended)
	}()
	_, err = returned(before, 0)
	require.ErrorContains(t, err, "1 goroutines more")
	require.ErrorContains(t, err, "TestUsageFindsALeakedGoroutine", "its stack is shown")
	close(end)
	<-ended
	_, err = returned(before, patience)
	require.NoError(t, err)
}

func TestUsageFindsALeakedDescriptor(t *testing.T) {
	before, err := measure(true)
	require.NoError(t, err)
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	_, err = returned(before, 0)
	require.ErrorContains(t, err, "1 descriptors more")
	require.NoError(t, f.Close())
	_, err = returned(before, patience)
	require.NoError(t, err)
}

func TestUsageFindsALeakedHeap(t *testing.T) {
	before, err := measure(true)
	require.NoError(t, err)
	leak := make([]byte, 2*HeapTolerance)
	_, err = returned(before, 0)
	require.ErrorContains(t, err, "bytes of heap more")
	runtime.KeepAlive(leak)
	_, err = returned(before, patience)
	require.NoError(t, err)
}
