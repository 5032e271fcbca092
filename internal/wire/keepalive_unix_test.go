//go:build unix

package wire

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestStallIsSeenThoughEachWriteIsCancelledBefore(t *testing.T) {
	const limit = 200 * time.Millisecond
	cfg := Config{MaxFrame: 64 << 10, StallTimeout: limit, CloseTimeout: time.Millisecond}
	c, _ := smallSocket(t, cfg)
	for begin := time.Now(); c.writeEnd() == nil; {
		require.Less(t, time.Since(begin), 30*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), limit/10)
		_ = c.Write(ctx, ws.OpBinary, pattern(100<<10, 0), false)
		cancel()
	}
	<-c.end.done.Done()
	require.ErrorContains(t, c.End(), "WriteStallTimeout")
}

func TestStallIsSeenBetweenTheFramesOfAWrite(t *testing.T) {
	const limit = 200 * time.Millisecond
	cfg := Config{MaxFrame: lendFrom, StallTimeout: limit, CloseTimeout: time.Millisecond}
	c, _ := socketPair(t, cfg, 0)
	require.ErrorContains(t, <-goWrite(t.Context(), c, make([]byte, 64<<20)), "WriteStallTimeout")
}

func TestKeepaliveNoticesALostPeerBehindAFullWindow(t *testing.T) {
	for name, cfg := range peerOptions {
		t.Run(name, func(t *testing.T) {
			c := behindFullWindow(t, cfg, reset)
			<-c.end.done.Done()
			err := c.End()
			require.ErrorIs(t, err, syscall.ECONNRESET)
			n := 0
			for ; ; n++ {
				if _, _, err = c.Pull(t.Context(), nil); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, (64<<10)/106, n, "the program can pull all that has come")
		})
	}
}

func TestKeepaliveTakesAFINBehindAFullWindowForNoLoss(t *testing.T) {
	for name, cfg := range peerOptions {
		if cfg.ReadTimeout > 0 {
			continue // ReadStallTimeout closes then, too
		}
		t.Run(name, func(t *testing.T) {
			c := behindFullWindow(t, cfg, func(far *net.TCPConn) { _ = far.CloseWrite() })
			<-time.After(5 * peerLimit)
			require.False(t, c.end.done.Closed())
			for range 1000 {
				_, _, err := c.Pull(t.Context(), nil)
				require.NoError(t, err)
			}
			_, _, err := c.Pull(t.Context(), nil)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}

func TestKeepaliveLeavesASlowPullAllThatALostPeerSent(t *testing.T) {
	c := behindFullWindow(t, Config{PingInterval: peerLimit, PongTimeout: peerLimit}, reset)
	for i := range 1000 {
		if i%50 == 0 {
			<-time.After(peerLimit / 4)
		}
		_, _, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
	}
	_, _, err := c.Pull(t.Context(), nil)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}
