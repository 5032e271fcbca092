package battery

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASideThatTakesMoreUntilTheEndIsSlowAndDoesNotStall(t *testing.T) {
	require.Equal(t, "3.1 MiB", Stall(100, 100))
	require.Equal(t, "3.1 MiB", Stall(100-moving+1, 100))
	require.Equal(t, "none: 3.1 MiB in 3s, and more", Stall(100-moving, 100))
	require.Equal(t, Swallowed, Stall(0, count))
}
