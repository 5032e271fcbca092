package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWatchThatIsOffHasNoContext(t *testing.T) {
	stopped := 0
	for _, w := range []watch{
		{},
		{done: make(chan struct{})}, // not armed yet
		{done: make(chan struct{}), stop: func() bool { stopped++; return true }},
		{stop: func() bool { stopped++; return true }}, // a timer's
	} {
		w.off()
		require.Nil(t, w.done)
		require.Nil(t, w.stop)
	}
	require.Equal(t, 2, stopped)
}
