//go:build unix && (amd64 || arm64)

package wire

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransportGivesASystemCallLessThan2GiB(t *testing.T) {
	// Addresses without memory.
	huge, err := syscall.Mmap(-1, 0, 1<<31, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(huge)) }()
	require.Len(t, clip(huge), maxSyscall)
	require.Len(t, clip(huge[:10]), 10)
}
