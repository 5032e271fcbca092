//go:build unix && (amd64 || arm64)

package wire

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASystemCallIsGivenLessThan2GiB(t *testing.T) {
	huge, err := syscall.Mmap(-1, 0, 1<<31, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE) // addresses, no memory
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(huge)) }()
	c := call{buf: huge}
	var given int
	c.do(func(_ int, p []byte) (int, error) {
		given = len(p)
		return given, nil
	}, 0)
	require.Equal(t, most, given)
	require.Equal(t, most, c.n)
}
