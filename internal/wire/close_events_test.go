package wire

import (
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestCloseForABreachFollowsTheAnswers(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	stopIdleTimer(t, c) // this goroutine may be slow
	_, err := far.Write([]byte("\x81\x84\x00\x00\x00\x00good" + "\x83\x80\x00\x00\x00\x00"))
	require.NoError(t, err)
	_, data, err := c.Pull(t.Context(), nil)
	require.NoError(t, err)
	for range 3 { // the second is gathered, for the flusher that has been started
		require.NoError(t, c.Write(t.Context(), ws.OpText, data, false))
	}
	go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
	for range 3 {
		f := readFrame(t, far)
		require.Equal(t, "good", string(f.Payload))
	}
	f := readFrame(t, far)
	require.Equal(t, ws.OpClose, f.Header.OpCode)
}
