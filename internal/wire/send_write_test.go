package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestWriteThatIsNotAdmittedDelaysNoEnd(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		require.NoError(t, c.writeWindow.Take(t.Context(), 10)) // this much of Write has run
		c.peerClosed(CloseInfo{Code: 1000}, false)
		require.False(t, c.admit(&piece{op: ws.OpBinary, rest: make([]byte, 4), fin: true}, 10))
		require.Equal(t, 256, c.writeWindow.Credit())
		require.NoError(t, c.writeEnd(), "our answer has not left")
		go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with peer
		<-c.end.streams.Write.Done()
		require.Equal(t, errClosed, c.writeEnd(), "the refused message prevents an end in order")
		cut(c)
		require.NoError(t, c.End())
	})
}

func TestWriteThatWasAcceptedIsCountedThoughItFails(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		written := make(chan error)
		go func() { written <- c.Write(ctx, ws.OpBinary, make([]byte, 3*maxPiece), false) }()
		synctest.Wait()
		c.mu.Lock()
		c.outputFailedLocked(errors.New("it takes nothing"))
		c.mu.Unlock()
		cancel()
		require.NoError(t, <-written)
		_, sent := c.Stats()
		require.EqualValues(t, 1, sent.Messages)
		require.EqualValues(t, 3*maxPiece, sent.Bytes)
	})
}

func TestWriteWaitsForTheTransportOnlyIfTheWindowIsOverdrawn(t *testing.T) {
	const window = 64 << 10
	const most = window - 4 // and a header of 4 bytes
	for size, waits := range map[int]bool{most: false, most + 1: true} {
		synctest.Test(t, func(t *testing.T) {
			c, v := valved(t, Config{})
			wrote := goWrite(t.Context(), c, make([]byte, size))
			synctest.Wait()
			require.Equal(t, waits, len(wrote) == 0, "%d bytes", size)
			v.let(all)
			require.NoError(t, <-wrote)
			c.CloseNow()
		})
	}
}
