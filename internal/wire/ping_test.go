package wire

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// goPing calls Ping on a new goroutine.
func goPing(ctx context.Context, c *Conn) <-chan error {
	back := make(chan error, 1)
	go func() {
		_, err := c.Ping(ctx)
		back <- err
	}()
	return back
}

// answer sends the pong for a client's ping.
func answer(t *testing.T, peer net.Conn, ping ws.Frame) {
	t.Helper()
	ping = ws.UnmaskFrame(ping)
	require.Equal(t, ws.OpPing, ping.Header.OpCode)
	require.NoError(t, ws.WriteFrame(peer, ws.NewPongFrame(ping.Payload)))
}

func TestPingIsAwaitedUntilTheLastOfItsCallsEnds(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		first, cancel := context.WithCancel(t.Context())
		c.mu.Lock()
		c.send.flusher = true // it was started, and does not run yet
		c.mu.Unlock()
		gaveUp, waits := goPing(first, c), goPing(t.Context(), c)
		synctest.Wait()
		require.Len(t, c.send.pings.awaited, 1, "the calls share a ping that has not left")
		cancel()
		require.ErrorIs(t, <-gaveUp, context.Canceled)
		require.Len(t, c.send.pings.awaited, 1)

		go c.flush() // ends when the ping has left
		answer(t, peer, readFrame(t, peer))
		require.NoError(t, <-waits)
	})
}

func TestPingLeavesNothingBehindWhenItsCallsEnd(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			gaveUp := goPing(ctx, c)
			readFrame(t, peer) // and does not answer
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-gaveUp, context.Canceled)
		}
		require.Empty(t, c.send.pings.awaited)
	})
}

// Each call then waits for a ping of its own.
func TestPingThatGivesUpLeavesTheOthers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		waits := goPing(t.Context(), c)
		older := readFrame(t, peer)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gaveUp := goPing(ctx, c)
		readFrame(t, peer)
		require.ErrorIs(t, <-gaveUp, context.DeadlineExceeded)

		answer(t, peer, older)
		require.NoError(t, <-waits)
	})
}
