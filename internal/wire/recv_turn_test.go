package wire

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestPullWhoseTurnComesAfterCancelGetsNoMessage(t *testing.T) {
	inBubble(t, []byte("\x81\x02ab\x81\x02cd"), func(t *testing.T, c *Conn, _ net.Conn) {
		require.True(t, c.readGate.TryLock(), "another call has the turn")
		c.Cancel(CloseInfo{})
		var data []byte
		var err error
		go func() { _, data, err = c.Pull(t.Context(), nil) }() // ends with the wait for the turn
		synctest.Wait()
		c.unlockRead()
		synctest.Wait()
		require.Equal(t, io.EOF, err)
		require.Empty(t, data)
	})
}

func TestPullThatWaitedUntilTheEndDropsHalfAHeader(t *testing.T) {
	inBubble(t, []byte("\x81"), func(t *testing.T, c *Conn, _ net.Conn) {
		require.NoError(t, c.lockRead(t.Context()))
		pulled := make(chan error)
		go func() {
			_, _, err := c.Pull(t.Context(), nil)
			pulled <- err
		}()
		synctest.Wait()
		c.CloseNow()
		// A background reader has made way for the Pull, and the end has stopped the timer.
		c.flags.clear(isRequested)
		c.flags.set(isArmed)
		c.unlockRead()
		require.Error(t, <-pulled)
		received, _ := c.Stats()
		require.Zero(t, received.Held)
	})
}

func TestPullThatGivesUpItsTurnLeavesInputToTheBackgroundReader(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		pulled := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := c.Pull(ctx, nil)
				pulled <- err
			}()
			synctest.Wait()
		}
		cancel()
		require.ErrorIs(t, <-pulled, context.Canceled)
		require.ErrorIs(t, <-pulled, context.Canceled)
		wrote := make(chan error, 1)
		go func() { wrote <- ws.WriteFrame(peer, ws.NewPingFrame(nil)) }()
		require.Equal(t, ws.OpPong, readFrame(t, peer).Header.OpCode)
		require.NoError(t, <-wrote)
	})
}
