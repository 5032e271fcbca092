//go:build unix

package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestWriteOfALongMessageWaitsForRoomItself(t *testing.T) {
	for _, limit := range frameLimits {
		c, far := smallSocket(t, Config{MaxFrame: limit})
		data := pattern(1<<20, 0)
		wrote := goWrite(t.Context(), c, data)
		untilStalled(t, c, onCall)
		c.mu.Lock()
		require.False(t, c.send.flusher, "the flusher runs, too")
		require.NotZero(t, c.send.out.lent)
		require.True(t, limit == 0 || c.send.out.lent <= maxLent)
		c.mu.Unlock()

		var wire bytes.Buffer
		for len(wrote) == 0 && wire.Len() < 1<<20-1000 {
			_, err := io.CopyN(&wire, far, 1000)
			require.NoError(t, err)
		}
		require.NoError(t, <-wrote)
		clear(data) // the memory is the caller's again
		require.GreaterOrEqual(t, c.Credit(), 0)
		wire.Write(receive(t, c, far))
		all, _, _ := messages(t, wire.Bytes())
		require.Len(t, all, 1)
		require.True(t, bytes.Equal(pattern(1<<20, 0), all[0]))
	}
}

func TestWriteCancelledWhileItWaitsForRoomIsSentWhole(t *testing.T) {
	for _, limit := range frameLimits {
		c, far := smallSocket(t, Config{MaxFrame: limit})
		for seed := range byte(3) { // the later ones must take the baton from the flusher
			ctx, cancel := context.WithCancel(t.Context())
			data := pattern(3<<20, seed)
			wrote := goWrite(ctx, c, data)
			if seed == 0 {
				untilStalled(t, c, onCall)
				cancel()
				require.NoError(t, <-wrote)
				clear(data)
				untilStalled(t, c, inBackground)
			} else { // the window is overdrawn: none of the message is admitted
				cancel()
				require.ErrorIs(t, <-wrote, context.Canceled)
			}
		}
		all, _, closed := messages(t, receive(t, c, far))
		require.True(t, closed)
		require.Len(t, all, 1)
		require.True(t, bytes.Equal(pattern(3<<20, 0), all[0]))
	}
}

func TestWriteTakesTheBatonFromAFlusherThatWaits(t *testing.T) {
	for range 10 { // a kernel that finds room then keeps the flusher awake
		if writeTakesTheBaton(t) {
			return
		}
	}
	require.Fail(t, "no Write has taken the baton")
}

func writeTakesTheBaton(t *testing.T) bool {
	c, far := smallSocket(t, Config{MaxFrame: 64 << 10})
	begin := time.Now()
	for stalled := false; !stalled; { // until the flusher waits, with credit left
		require.Less(t, time.Since(begin), 30*time.Second)
		c.mu.Lock()
		held := c.send.out.held()
		c.mu.Unlock()
		if held < 32<<10 {
			_, err := c.TryWrite(ws.OpBinary, pattern(4<<10, 1), false)
			require.NoError(t, err)
			continue
		}
		stalled = within(time.Millisecond, func() bool { return stalls(c, inBackground) })
	}
	wrote := goWrite(t.Context(), c, pattern(1<<20, 2))
	if !within(2*time.Second, func() bool { return stalls(c, onCall) }) {
		c.CloseNow()
		<-wrote
		return false
	}
	c.answerPing([]byte("p"))
	c.mu.Lock()
	require.False(t, c.send.flusher)
	c.mu.Unlock()

	all, pongs, _ := messages(t, receive(t, c, far))
	require.NoError(t, <-wrote)
	for _, m := range all[:len(all)-1] {
		require.True(t, bytes.Equal(pattern(4<<10, 1), m))
	}
	require.True(t, bytes.Equal(pattern(1<<20, 2), all[len(all)-1]))
	require.Len(t, pongs, 1)
	// Under load the kernel may take more frames before the Write waits.
	require.Less(t, pongs[0], (len(all)-1)*4<<10+512<<10, "the pong overtakes nothing")
	return true
}

func TestWritesOfManyGoroutinesLeaveWhole(t *testing.T) {
	c, far := smallSocket(t, Config{MaxFrame: 64 << 10})
	const writers, each = 8, 20
	sizes := []int{10, 5 << 10, 40 << 10, 64 << 10, 200 << 10, 700 << 10}
	wrote := make(chan error, writers)
	for w := range writers {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				data := pattern(sizes[(w+i)%len(sizes)], byte(w))
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					time.AfterFunc(time.Duration(i)*time.Millisecond, cancel) // some end while it waits
				}
				if err = c.Write(ctx, ws.OpBinary, data, false); errors.Is(err, context.Canceled) {
					err = nil
				}
				clear(data)
				cancel()
			}
			wrote <- err
		}()
	}
	done := make(chan []byte)
	go func() {
		var wire bytes.Buffer
		_, _ = io.Copy(&wire, far)
		done <- wire.Bytes()
	}()
	for range writers {
		require.NoError(t, <-wrote)
	}
	require.NoError(t, c.Flush(t.Context()))
	require.NoError(t, c.nc.(*net.TCPConn).CloseWrite())
	all, _, _ := messages(t, <-done)
	require.Greater(t, len(all), writers*each/2)
	for _, m := range all {
		require.True(t, bytes.Equal(pattern(len(m), m[0]), m), "%d bytes", len(m))
	}
}
