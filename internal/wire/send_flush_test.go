package wire

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestFlushOfABacklogWhoseNewSenderMayNotWrite(t *testing.T) {
	for _, size := range []int{64 << 10, 1 << 20} { // without the turn to write, and with it
		synctest.Test(t, func(t *testing.T) {
			c, v := flushing(t, func(c *Conn) { c.Close(CloseInfo{}) })
			require.Equal(t, errClosed, c.Write(t.Context(), ws.OpBinary, make([]byte, size), false))
			got := frames(t, v.let(all))
			require.Len(t, got, 2)
			require.Equal(t, ws.OpClose, got[1].Header.OpCode)
			held, _, _ := c.writeWindow.Usage()
			require.Zero(t, held)
			c.CloseNow()
		})
	}
}

func TestFlushWaitsForAWriteThatWasAdmittedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		wrote := goWrite(t.Context(), c, make([]byte, 4<<20))
		synctest.Wait()
		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(t.Context()) }() // ends once all has left
		for range 3 {
			v.let(1 << 20)
			require.Empty(t, flushed)
		}
		v.let(all)
		require.NoError(t, <-wrote)
		require.NoError(t, <-flushed)
		c.CloseNow()
	})
}

func TestMessagesAreGatheredWithinALullOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := valved(t, Config{})
		c.send.given = clock()
		require.True(t, c.gathersLocked())
		<-time.After(lull - 1)
		require.True(t, c.gathersLocked())
		c.flags.set(answersNow)
		require.False(t, c.gathersLocked(), "an answer")
		require.True(t, c.gathersLocked())
		<-time.After(1)
		require.False(t, c.gathersLocked(), "a lone message")
	})
}

func TestABatchLeavesBeforeTheFlusherRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		v.set(func() { v.room = all })
		c.send.flusher = true // it was started, and does not run yet
		for range 2 {
			ok, err := c.TryWrite(ws.OpText, make([]byte, batch/2-4-1), false)
			require.NoError(t, err)
			require.True(t, ok)
		}
		require.Empty(t, v.let(0))
		ok, err := c.TryWrite(ws.OpText, nil, false)
		require.NoError(t, err)
		require.True(t, ok)
		require.Len(t, v.let(0), batch)

		const pong = 64 // bytes of a frame
		for range smallChunk / 2 / pong {
			c.answerPing(make([]byte, pong-2))
		}
		require.Len(t, v.let(0), batch, "pongs fill half of their chunk")
		c.answerPing(make([]byte, pong-2))
		require.Len(t, v.let(0), batch+smallChunk/2+pong)
		c.flush()
	})
}
