package wire

import (
	"testing"
	"testing/synctest"

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
		wrote := goWrite(t.Context(), c, make([]byte, 1<<20))
		synctest.Wait()
		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(t.Context()) }() // ends once all has left
		for range 15 {
			v.let(64 << 10)
			require.Empty(t, flushed)
		}
		v.let(all)
		require.NoError(t, <-wrote)
		require.NoError(t, <-flushed)
		c.CloseNow()
	})
}
