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
	c, _ := crammed(t, Config{MaxFrame: 64 << 10, StallTimeout: limit, CloseTimeout: time.Millisecond})
	for c.writeEnd() == nil {
		require.NoError(t, t.Context().Err())
		ctx, cancel := context.WithTimeout(t.Context(), limit/10)
		_ = c.Write(ctx, ws.OpBinary, pattern(100<<10, 0), false)
		cancel()
	}
	<-c.Done()
	err := c.End()
	require.ErrorContains(t, err, "WriteStallTimeout")
}

func TestStallIsSeenBetweenTheFramesOfAWrite(t *testing.T) {
	c, _ := socketPair(
		t,
		Config{MaxFrame: lendFrom, StallTimeout: 200 * time.Millisecond, CloseTimeout: time.Millisecond},
		0,
	)
	require.ErrorContains(t, <-goWrite(t.Context(), c, make([]byte, 64<<20)), "WriteStallTimeout")
}

func TestKeepaliveNoticesALostPeerBehindAFullWindow(t *testing.T) {
	for name, cfg := range watching {
		t.Run(name, func(t *testing.T) {
			c := lostBehind(t, cfg, reset)
			<-c.Done()
			err := c.End()
			require.ErrorIs(t, err, syscall.ECONNRESET)
			n := 0
			for ; ; n++ {
				if _, _, err = c.Pull(t.Context(), nil); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, (64<<10)/106, n, "what had come can still be pulled")
		})
	}
}

func TestKeepaliveTakesAFINBehindAFullWindowForNoLoss(t *testing.T) {
	for name, cfg := range watching {
		if cfg.ReadTimeout > 0 {
			continue // it is for this, too
		}
		t.Run(name, func(t *testing.T) {
			c := lostBehind(t, cfg, func(far *net.TCPConn) { _ = far.CloseWrite() })
			<-time.After(5 * lookAfter)
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
	c := lostBehind(t, Config{PingInterval: lookAfter, PongTimeout: lookAfter}, reset)
	for i := range 1000 {
		if i%50 == 0 {
			<-time.After(lookAfter / 4)
		}
		_, _, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
	}
	_, _, err := c.Pull(t.Context(), nil)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}
