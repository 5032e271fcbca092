//go:build unix

package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAbortOfAWriteThatWaitsForRoomFinishesItsFrame(t *testing.T) {
	c, far := smallSocket(t, Config{MaxFrame: 64 << 10})
	data := pattern(1<<20, 0)
	wrote := goWrite(t.Context(), c, data)
	begun := make([]byte, 1)
	_, err := io.ReadFull(far, begun)
	require.NoError(t, err)
	untilStalled(t, c, onCall)
	cause := errors.New("cause")
	c.Abort(CloseInfo{Code: 1000}, cause)
	require.Equal(t, cause, <-wrote)
	clear(data)
	all, _, closed := messages(t, append(begun, receive(t, c, far)...))
	require.True(t, closed)
	require.Len(t, all, 1)
	require.Less(t, len(all[0]), 1<<20)
	require.Zero(t, len(all[0])%(64<<10), "whole frames")
	require.True(t, bytes.Equal(pattern(1<<20, 0)[:len(all[0])], all[0]))
}
