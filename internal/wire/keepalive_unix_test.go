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
	for {
		c := behindFullWindow(t, Config{PingInterval: peerLimit, PongTimeout: peerLimit}, reset)
		pulled, longest, err := pullSlowly(c, peerLimit*6/10)
		if longest < peerLimit {
			require.Equal(t, 1000, pulled)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			return
		}
		// The machine has paused for so long that no call has pulled within the limit.
	}
}

// pullSlowly pulls to the end. While the window fills again, it pauses before each 50 messages.
// It returns how many messages came, the longest time from one pull to the next, and the end.
func pullSlowly(c *Conn, pause time.Duration) (pulled int, longest time.Duration, err error) {
	for before := time.Now(); ; pulled++ {
		if pulled%50 == 0 && pulled < 400 {
			<-time.After(pause)
		}
		began := time.Now()
		if _, _, err := c.Pull(context.Background(), nil); err != nil {
			return pulled, longest, err
		}
		longest, before = max(longest, time.Since(before)), began
	}
}
