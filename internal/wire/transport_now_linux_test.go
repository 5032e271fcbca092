//go:build (amd64 || arm64) && !race

package wire

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program may set the descriptor of a connection to block. A thread that waits in a system call
// of which the scheduler is not told would stop all goroutines with the next garbage collection.
func TestReadNowAndWriteNowDoNotWaitEvenIfTheDescriptorBlocks(t *testing.T) {
	a, b := pairOfSockets(t)
	require.NoError(t, syscall.SetNonblock(a, false))
	require.NoError(t, syscall.SetNonblock(b, false))
	_, err := readNow(b, make([]byte, 1))
	require.Equal(t, syscall.EAGAIN, err)
	for err = nil; err == nil; {
		_, err = writeNow(a, make([]byte, shortCall))
	}
	require.Equal(t, syscall.EAGAIN, err)
}
