package wsstream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestAbortFinishesTheFrameThatHasBegunAndDropsTheRest(t *testing.T) {
	inBubble(t, config{WriteWindow: 4000, Limit: 100}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 1000))))
		synctest.Wait() // it has begun to leave
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("queued")))
		waiting := goWrite(t, e, wsstream.Binary(make([]byte, 9000)))
		synctest.Wait()
		require.Empty(t, waiting)
		cause := &wsstream.Error{
			CloseInfo: wsstream.CloseInfo{Code: 3001, Reason: "changed my mind"},
			Err:       errReason,
		}
		require.NoError(t, e.conn.Writable().Abort(cause))
		synctest.Wait()
		require.Len(t, waiting, 1)
		require.Equal(t, error(cause), (<-waiting).err)
		require.Equal(t, error(cause), e.conn.Writable().Write(patient(t), wsstream.Text("late")))
		e.peer.Want("the frame that had begun, then the Close", wstest.Binary(make([]byte, 1000)),
			wstest.Close(3001, "changed my mind"))
		e.peer.Send(wstest.Close(3001, ""))
		e.peer.Close()
		info, err := e.closed(t)
		require.NoError(t, err, "what was dropped on purpose does not make it unclean")
		require.Equal(t, 3001, info.Code)
	})
}

// TestAbortOfAPartlySentMessageSendsNoFurtherFrames: the frames that the transport has begun
// leave whole. What was dropped on purpose does not make the end unclean.
func TestAbortOfAPartlySentMessageSendsNoFurtherFrames(t *testing.T) {
	c := config{MaxFrameSize: 1000, Limit: 16 << 10, WriteWindow: 64 << 20}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		const size = 8 << 20
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, size))))
		require.NoError(t, e.conn.Writable().Abort(errReason))
		got := 0
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == wstest.OpClose {
				require.Equal(t, wstest.Close(1011, "").Payload, f.Payload)
				break
			}
			require.Len(t, f.Payload, 1000, "each frame leaves whole")
			require.False(t, f.Fin)
			got += len(f.Payload)
		}
		require.Less(t, got, size/2)
		// The peer may see the Close before the flusher is back from the write.
		until(t, func() bool { return e.conn.Stats().Sent.Held == 0 })
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err, "what was dropped on purpose does not make the end unclean")
		require.Equal(t, errReason, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
	})
}

func TestAbortIsCutAfterCloseTimeoutIfThePeerReadsNothing(t *testing.T) {
	inBubble(t, config{CloseTimeout: 3 * time.Second, Limit: 100}, func(t *testing.T, e *end) {
		wrote := goWrite(t, e, wsstream.Binary(make([]byte, 1<<20)))
		synctest.Wait()
		start := time.Now()
		require.NoError(t, e.conn.Writable().Abort(errReason))
		require.Zero(t, time.Since(start))
		require.Equal(t, errReason, (<-wrote).err)
		_, err := e.closed(t)
		require.ErrorAs(t, err, new(*wsstream.Error))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.True(t, e.net.(*memnet.Conn).Closed())
	})
}

// TestAbortFailsWaitingWritesOverTCP: the peer reads one frame and no more. The end comes after
// CloseTimeout.
func TestAbortFailsWaitingWritesOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{CloseTimeout: 200 * time.Millisecond, Limit: 16 << 10}, client)
		var writes []<-chan result
		for range 3 {
			writes = append(writes, goWrite(t, e, wsstream.Binary(make([]byte, 32<<20))))
		}
		// the peer reads one frame, so that one Write is in the middle of its message
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.False(t, f.Fin)
		require.NoError(t, e.conn.Writable().Abort(errReason))
		for _, wrote := range writes {
			require.Equal(t, errReason, (<-wrote).err)
		}
		_, err = e.closed(t)
		require.ErrorAs(t, err, new(*wsstream.Error), "it never hangs behind a stalled peer")
	}
}

func TestAbortFailsABlockedWriteAndTheNextInLine(t *testing.T) {
	c := config{WriteWindow: 256, MaxFrameSize: 16 << 10, Limit: 64 << 10}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		const size = 4 << 20
		blocked := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.False(t, f.Fin)
		e.quiet()
		waiting := goWrite(t, e, wsstream.Text("waits"))
		e.quiet()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		require.Equal(t, errWhy, (<-blocked).err)
		require.Equal(t, errWhy, (<-waiting).err)

		e.wantClose(t, wstest.Close(1011, "")) // Next sees to it that only whole frames stand before it
		e.peer.Send(wstest.Close(3001, ""))
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err, "what was dropped on purpose does not make the end unclean")
		require.Equal(t, 3001, info.Code)
	})
}

// TestAbortIsACleanEnd: the accepted data that Abort drops does not make the end unclean, also
// if our Close did not leave.
func TestAbortIsACleanEnd(t *testing.T) {
	c := config{WriteWindow: 256, MaxFrameSize: 16 << 10, Limit: 4 << 10}
	inBubble(t, c, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(nil))
		require.Zero(t, e.conn.Writable().DesiredSize())
		sent := 0
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == wstest.OpClose {
				break
			}
			require.False(t, f.Fin)
			sent += len(f.Payload)
		}
		require.Less(t, sent, size/4)
		e.peer.Send(wstest.Close(1000, ""))
		e.drop(t)
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
	})
	inBubble(t, c, func(t *testing.T, e *end) { // nor is the end, when not even our Close got out
		e.stuff(t, true)
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		e.peer.Send(wstest.Close(3001, ""))
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 3001, info.Code)
	})
}

func TestAbortDoesNotEncodeTheRestOfALongFrameEarly(t *testing.T) {
	const size = 4 << 20
	inBubble(t, config{MaxFrameSize: -1}, func(t *testing.T, e *end) {
		write := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		e.notice()
		require.Equal(t, size, e.wantData(t), "a frame that has begun is finished")
		e.peer.Want("the Close behind it", wstest.Close(1011, ""))
		require.Equal(t, errWhy, (<-write).err)
		require.Less(t, e.conn.Stats().Sent.HeldMax, int64(size/4))
	})
}

func TestAbortMakesWritableCloseReturnItsCauseImmediately(t *testing.T) {
	for what, c := range map[string]struct{ cause, want error }{
		"no cause": {cause: nil, want: wsstream.ErrClosed},
		"a cause":  {cause: errWhy, want: errWhy},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, config{}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Writable().Abort(c.cause))
				start := time.Now()
				require.Equal(t, c.want, e.conn.Writable().Close(patient(t)))
				require.Zero(t, time.Since(start))
				require.False(t, ended(e))
			})
		})
	}
}

// TestFailWaitsItsTurnAndDropsNothing is Fail as Close is, with a cause.
func TestFailWaitsItsTurnAndDropsNothing(t *testing.T) {
	inBubble(t, config{WriteWindow: 1000, Limit: 1}, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Stall(true)
		first := goWrite(t, e, wsstream.Binary(make([]byte, 2000)))
		synctest.Wait()
		second := goWrite(t, e, wsstream.Text("waits its turn"))
		synctest.Wait()

		ctx, cancel := withCause(t)
		early := goErr(func() error { return e.conn.Writable().Fail(ctx, errReason) })
		synctest.Wait()
		cancel(errWhy)
		require.Equal(t, errWhy, (<-early).err, "before its turn nothing has happened")

		ctx, cancel = withCause(t)
		failed := goErr(func() error { return e.conn.Writable().Fail(ctx, withCode(4002)) })
		synctest.Wait()
		third := goWrite(t, e, wsstream.Text("behind it"))
		synctest.Wait()
		e.net.(*memnet.Conn).Stall(false)
		require.Len(t, readMessage(t, e), 2000)
		e.peer.Want("all that was accepted before, then the Close", wstest.Text("waits its turn"),
			wstest.Close(4002, ""))
		require.NoError(t, (<-first).err)
		require.NoError(t, (<-second).err)
		require.Equal(t, 4002, wsstream.CloseCode((<-third).err), "Writes behind it fail with the cause")
		cancel(errWhy)
		require.Equal(t, errWhy, (<-failed).err,
			"the end of its context ends the wait, and the decision stands")
		require.Equal(t, 4002,
			wsstream.CloseCode(e.conn.Writable().Write(t.Context(), wsstream.Text("x"))))
		e.peer.Send(wstest.Close(4002, ""))
		e.drop(t)
		require.NoError(t, e.conn.Shutdown(t.Context(), wsstream.CloseInfo{}))
	})
}

// TestFailFollowedByAbortKeepsFailsCodeAndError: the Abort drops what is unsent, and changes
// neither the code nor the error.
func TestFailFollowedByAbortKeepsFailsCodeAndError(t *testing.T) {
	inBubble(t, config{MaxFrameSize: 16 << 10, Limit: 4 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		failed := goErr(func() error { return e.conn.Writable().Fail(patient(t), withCode(4002)) })
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		require.Equal(t, 4002,
			wsstream.CloseCode(e.conn.Writable().Write(t.Context(), wsstream.Text("x"))))
		sent := 0
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == wstest.OpClose {
				require.Equal(t, wstest.Close(4002, "").Payload, f.Payload)
				break
			}
			sent += len(f.Payload)
		}
		require.Less(t, sent, size/4)
		e.peer.Send(wstest.Close(4002, ""))
		e.drop(t)
		require.NoError(t, (<-failed).err)
	})
}

func TestFailIsCutAfterCloseTimeoutFromItsTurnOn(t *testing.T) {
	inBubble(t, config{CloseTimeout: 3 * time.Second, Limit: 100}, func(t *testing.T, e *end) {
		e.stuff(t, true)
		start := time.Now()
		theEnd(t, e, e.conn.Writable().Fail(patient(t), errWhy))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, errWhy, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		require.Equal(t, errWhy, e.conn.Writable().Close(t.Context()), "what ended the Writable stays")
	})
}
