package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestDiscardTakesAllUntilItsEnd(t *testing.T) {
	w := stream.Discard[int]()
	require.NoError(t, w.Write(t.Context(), 1))
	require.Equal(t, errBoom, w.Write(ended(t), 1))
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, stream.ErrClosed, w.Write(t.Context(), 1))
	w = stream.Discard[int]()
	require.NoError(t, w.Abort(errBoom))
	require.Equal(t, errBoom, w.Close(t.Context()))
}
