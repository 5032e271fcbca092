package wire

import (
	"errors"
	"testing"
	"testing/synctest"

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
