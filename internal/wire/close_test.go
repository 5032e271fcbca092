package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestAbortDropsTheBacklogOfAFlusherThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		wrote := goWrite(t.Context(), c, pattern(1<<20, 0))
		v.let(100)
		c.Close(CloseInfo{}) // the Write copies the rest for the flusher
		require.NoError(t, <-wrote)
		synctest.Wait()
		require.Equal(t, inBackground, c.send.stalled().kind)
		c.Abort(CloseInfo{}, errors.New("cause"))
		synctest.Wait()
		require.Equal(t, 64<<10+10-100, c.send.out.held(), "the rest of the frame that has begun")
		got := frames(t, v.let(all))
		require.Len(t, got, 2)
		require.Equal(t, ws.OpClose, got[1].Header.OpCode)
		c.CloseNow()
	})
}

func TestAbortSendsNothingBehindItsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		cause := errors.New("cause")
		wrote := goWrite(t.Context(), c, pattern(3<<20, 0))
		v.let(100)
		v.onRecall = func() { v.set(func() { v.room = all }) }
		c.Abort(CloseInfo{}, cause)
		require.Equal(t, cause, <-wrote)
		got := frames(t, v.let(0))
		require.Len(t, got, 2, "the frame that has begun, and the Close")
		require.Equal(t, ws.OpClose, got[1].Header.OpCode)
		c.CloseNow()
	})
}

func TestCloseFollowsAWriteThatFoundRoomWhenRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		wrote := goWrite(t.Context(), c, pattern(3<<20, 0))
		v.let(100)
		v.onRecall = func() { v.set(func() { v.room = all }) }
		c.Close(CloseInfo{})
		require.NoError(t, <-wrote)
		got := frames(t, v.let(0))
		require.Equal(t, ws.OpClose, got[len(got)-1].Header.OpCode)
		c.CloseNow()
	})
}

// The program may react to a shutdown with a close of its own. The client has sent half of what it
// wanted to send: that must not look complete.
func TestACloseAfterAShutdownDoesNotMakeItsEndLookComplete(t *testing.T) {
	rule := errors.New("the server is shutting down")
	for name, later := range map[string]func(c *Conn){
		"nothing": func(*Conn) {},
		"Close":   func(c *Conn) { c.Close(CloseInfo{Code: CodeNormal}) },
		"Finish":  func(c *Conn) { c.Finish(CloseInfo{Code: CodeNormal}, CloseInfo{Code: CodeInternal}) },
		"Abort":   func(c *Conn) { c.Abort(CloseInfo{}, errors.New("cause")) },
		"CloseWrite": func(c *Conn) {
			go func() { _ = c.CloseWrite(context.Background(), CloseInfo{}, errors.New("cause")) }()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
				c.GoAway(CloseInfo{Code: CodeGoingAway}, rule)
				later(c)
				synctest.Wait()
				_, err := peer.Write([]byte("\x88\x02\x03\xe9")) // the answer: 1001
				require.NoError(t, err)
				_, _, err = c.Pull(t.Context(), nil)
				require.ErrorIs(t, err, rule)
				require.ErrorIs(t, c.Write(t.Context(), ws.OpText, nil, false), rule)
			})
		})
	}
}

func TestAbortEndsACloseWriteThatWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := valved(t, Config{})
		cause := errors.New("cause")
		wrote := goWrite(t.Context(), c, pattern(3<<20, 0))
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- c.CloseWrite(t.Context(), CloseInfo{}, errClosed) }() // ends with Abort
		synctest.Wait()
		require.Empty(t, closed)
		c.Abort(CloseInfo{}, cause)
		require.Equal(t, cause, <-wrote)
		require.Equal(t, cause, <-closed)
		c.CloseNow()
	})
}

func TestFailureDropsWhatFillsTheWindow(t *testing.T) {
	const window = 64 << 10
	for size, want := range map[int]int{window - 4: 1, window - 5: 2} { // and a header of 4 bytes
		synctest.Test(t, func(t *testing.T) {
			c, v := valved(t, Config{})
			ok, err := c.TryWrite(ws.OpBinary, make([]byte, size), false)
			require.NoError(t, err)
			require.True(t, ok)
			synctest.Wait()
			c.fail(CodePolicy, errors.New("rule"))
			got := frames(t, v.let(all))
			require.Len(t, got, want, "%d bytes", size)
			require.Equal(t, ws.OpClose, got[want-1].Header.OpCode)
			c.CloseNow()
		})
	}
}

func TestCloseNowGivesATransportWhatItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := flushing(t, func(*Conn) {})
		v.onRecall = func() { v.set(func() { v.room = all }) }
		c.CloseNow()
		got := frames(t, v.let(0))
		require.Len(t, got, 1)
		require.Len(t, got[0].Payload, 20<<10)
	})
}

func TestCloseWriteReturnsTheAbortThatCameBeforeItsTurn(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
		_, err := c.NewWriter(t.Context(), ws.OpText) // has the turn
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		closed := make(chan error, 1)
		go func() { closed <- c.CloseWrite(ctx, CloseInfo{}, errClosed) }() // ends with ctx
		synctest.Wait()
		cause := errors.New("cause")
		c.Abort(CloseInfo{}, cause)
		cancel()
		require.Equal(t, cause, <-closed)
	})
}

func TestCloseNowWaitsAWhileForATransportWhoseCloseBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := onDeaf(t, newDeaf(release), "")
		begin := time.Now()
		c.CloseNow()
		require.Equal(t, 100*time.Millisecond, time.Since(begin))
		require.False(t, c.end.done.Closed())
		close(release)
	})
}
