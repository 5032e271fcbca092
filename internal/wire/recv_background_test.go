package wire

import (
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestDiscardTakesEffectWhenReadGateIsReleased(t *testing.T) {
	full := append([]byte{0x82, 126, 1, 0}, make([]byte, 256)...)
	inBubble(t, full, func(t *testing.T, c *Conn, peer net.Conn) {
		require.NoError(t, c.lockRead(t.Context()))
		require.False(t, c.wantsInput(), "the window is full")
		c.Discard()
		c.unlockRead()
		start := time.Now()
		_, err := peer.Write(ws.MustCompileFrame(ws.NewPingFrame(nil)))
		require.NoError(t, err)
		h, err := ws.ReadHeader(peer)
		require.NoError(t, err)
		require.Equal(t, ws.OpPong, h.OpCode)
		require.Zero(t, time.Since(start), "the pong waits for the idle timer")
	})
}
