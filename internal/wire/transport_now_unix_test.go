//go:build linux

package wire

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// pairOfSockets returns two sockets that are connected, and do not block.
func pairOfSockets(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = syscall.Close(fds[0])
		_ = syscall.Close(fds[1])
	})
	return fds[0], fds[1]
}

func TestReadNowAndWriteNowReturnWhatReadAndWriteDo(t *testing.T) {
	for _, size := range []int{1, shortCall, shortCall + 1} {
		a, b := pairOfSockets(t)
		buf := make([]byte, size+1)
		_, err := readNow(b, buf)
		require.Equal(t, syscall.EAGAIN, err)

		n, err := writeNow(a, make([]byte, size))
		require.NoError(t, err)
		require.Equal(t, size, n)
		n, err = readNow(b, buf)
		require.NoError(t, err)
		require.Equal(t, size, n)

		require.NoError(t, syscall.Shutdown(a, syscall.SHUT_WR))
		n, err = readNow(b, buf)
		require.NoError(t, err)
		require.Zero(t, n, "the end")
		_, err = writeNow(a, buf)
		require.Equal(t, syscall.EPIPE, err, "and the process lives")
	}
}

func TestWriteNowTakesNoMoreThanThereIsRoomFor(t *testing.T) {
	a, _ := pairOfSockets(t)
	for _, size := range []int{shortCall, 4 * shortCall} {
		var err error
		for err == nil {
			_, err = writeNow(a, make([]byte, size))
		}
		require.Equal(t, syscall.EAGAIN, err)
	}
}
