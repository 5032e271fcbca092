package wsstream_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// The writable, line by line.

func TestC1_AWriteOf8MiBToAPeerThatDoesNotReadFor2sTakes2s(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		start := time.Now()
		wrote := goWrite(t, e, wsstream.Binary(make([]byte, 8<<20)))
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Empty(t, wrote)
		require.LessOrEqual(t, e.conn.Stats().Sent.HeldMax, int64(wsstream.DefaultWriteWindow+wsstream.DefaultMaxFrameSize+14))
		require.Equal(t, 8<<20, len(readMessage(t, e)))
		require.NoError(t, (<-wrote).err)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestC1_AWriteOf8MiBToAPeerThatDoesNotReadWaitsOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{Limit: 64 << 10}, client)
		wrote := goWrite(t, e, wsstream.Binary(make([]byte, 8<<20)))
		select {
		case r := <-wrote:
			require.FailNow(t, "the Write returned before anybody read", "%v", r.err)
		case <-time.After(300 * time.Millisecond):
		}
		require.Equal(t, 8<<20, len(readMessage(t, e)))
		require.NoError(t, (<-wrote).err)
	}
}

func TestC1_AWriteIsDoneWhenWhatIsUnsentFitsTheWindow(t *testing.T) {
	inBubble(t, config{WriteWindow: 1000, Limit: 1}, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Stall(true)
		first := goWrite(t, e, wsstream.Binary(make([]byte, 900)))
		synctest.Wait()
		require.Len(t, first, 1, "it fits, and nothing was delivered")
		require.Positive(t, e.conn.Writable().DesiredSize())
		second := goWrite(t, e, wsstream.Binary(make([]byte, 900)))
		synctest.Wait()
		require.Empty(t, second, "it was admitted, and does not fit")
		require.Negative(t, e.conn.Writable().DesiredSize())
		e.net.(*memnet.Conn).Stall(false)
		require.Len(t, readMessage(t, e), 900)
		synctest.Wait()
		require.Len(t, second, 1, "it fits now, and was not delivered")
		require.NoError(t, (<-second).err)
		require.Len(t, readMessage(t, e), 900)
	})
}

// readMessage reads a whole message at the peer.
func readMessage(t *testing.T, e *end) []byte {
	t.Helper()
	var all bytes.Buffer
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		all.Write(f.Payload)
		if f.Fin {
			return all.Bytes()
		}
	}
}

func TestC2_TheBytesAreTheCallersAgainWhenWriteReturnsAndAreNeverChanged(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		buf := make([]byte, 3000)
		for i := range byte(20) {
			for j := range buf {
				buf[j] = i
			}
			require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(buf)))
			require.Equal(t, bytes.Repeat([]byte{i}, len(buf)), buf, "a mask was put on the caller's bytes")
		}
		ok, err := e.conn.Writable().TryWrite(wsstream.Binary(buf))
		require.NoError(t, err)
		require.True(t, ok)
		clear(buf)
		for i := range byte(20) {
			e.peer.Want("what was written", wstest.Binary(bytes.Repeat([]byte{i}, len(buf))))
		}
		e.peer.Want("what was written", wstest.Binary(bytes.Repeat([]byte{19}, len(buf))))
	})
}

func TestC2_AWriteCutShortByItsContextHasCopiedTheRest(t *testing.T) {
	inBubble(t, config{WriteWindow: 1000, MaxFrameSize: 500}, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Stall(true)
		ctx, cancel := context.WithCancel(t.Context())
		buf := bytes.Repeat([]byte{7}, 200_000)
		wrote := make(chan error, 1)
		go func() { wrote <- e.conn.Writable().Write(ctx, wsstream.Binary(buf)) }()
		synctest.Wait()
		require.Empty(t, wrote)
		cancel()
		require.NoError(t, <-wrote)
		clear(buf)
		e.net.(*memnet.Conn).Stall(false)
		require.Equal(t, bytes.Repeat([]byte{7}, 200_000), readMessage(t, e))
	})
}

func TestC3_CloseSendsWhatWasAcceptedThenACloseWith1000AndWaitsForTheEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		for range 3 {
			require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("accepted")))
		}
		closed := make(chan error, 1)
		go func() { closed <- e.conn.Writable().Close(patient(t)) }()
		e.peer.Want("what was accepted", wstest.Text("accepted"), wstest.Text("accepted"), wstest.Text("accepted"))
		e.peer.Want("a Close with 1000", wstest.Close(1000, ""))
		require.Empty(t, closed)
		require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(patient(t), wsstream.Text("late")))
		e.peer.Send(wstest.CloseEmpty())
		e.peer.Close()
		require.NoError(t, <-closed)
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 1005, info.Code)
	})
}

func TestC3_AnUncleanEndIsTheErrorOfClose(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		closed := make(chan error, 1)
		go func() { closed <- e.conn.Writable().Close(patient(t)) }()
		e.peer.Want("a Close with 1000", wstest.Close(1000, ""))
		e.peer.Close()
		err := <-closed
		require.ErrorAs(t, err, new(*wsstream.Error))
		_, end := e.closed(t)
		require.Equal(t, end, err)
		require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(patient(t), wsstream.Text("late")))
	})
}

func TestC3_CloseTakesItsTurnBehindWritesThatWait(t *testing.T) {
	inBubble(t, config{WriteWindow: 1000, Limit: 1}, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Stall(true)
		first := goWrite(t, e, wsstream.Binary(make([]byte, 2000)))
		synctest.Wait()
		second := goWrite(t, e, wsstream.Text("waits its turn"))
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- e.conn.Writable().Close(patient(t)) }()
		synctest.Wait()
		e.net.(*memnet.Conn).Stall(false)
		require.Len(t, readMessage(t, e), 2000)
		e.peer.Want("the Write that waited, then the Close", wstest.Text("waits its turn"), wstest.Close(1000, ""))
		require.NoError(t, (<-first).err)
		require.NoError(t, (<-second).err)
		e.peer.Send(wstest.CloseEmpty())
		e.peer.Close()
		require.NoError(t, <-closed)
	})
}

func TestC4_AbortDropsWhatIsQueuedFinishesTheFrameAndCloses(t *testing.T) {
	inBubble(t, config{WriteWindow: 4000, Limit: 100}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 1000))))
		synctest.Wait() // it has begun to leave
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("queued")))
		waiting := goWrite(t, e, wsstream.Binary(make([]byte, 9000)))
		synctest.Wait()
		require.Empty(t, waiting)
		cause := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 3001, Reason: "changed my mind"}, Err: errReason}
		require.NoError(t, e.conn.Writable().Abort(cause))
		synctest.Wait()
		require.Len(t, waiting, 1)
		require.Equal(t, error(cause), (<-waiting).err)
		require.Equal(t, error(cause), e.conn.Writable().Write(patient(t), wsstream.Text("late")))
		e.peer.Want("the frame that had begun, then the Close", wstest.Binary(make([]byte, 1000)), wstest.Close(3001, "changed my mind"))
		e.peer.Send(wstest.Close(3001, ""))
		e.peer.Close()
		info, err := e.closed(t)
		require.NoError(t, err, "what was dropped on purpose does not make it unclean")
		require.Equal(t, 3001, info.Code)
	})
}

func TestC4_AbortOfAMessageInTheMiddleSendsNoMoreThanTheTransportHasBegun(t *testing.T) {
	onEveryPath(t, config{MaxFrameSize: 1000, Limit: 16 << 10, WriteWindow: 64 << 20}, func(t *testing.T, e *end) {
		const size = 8 << 20
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, size))))
		require.NoError(t, e.conn.Writable().Abort(errReason))
		got := 0
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == ws.OpClose {
				require.Equal(t, wstest.Close(1011, "").Payload, f.Payload)
				break
			}
			require.Len(t, f.Payload, 1000, "each frame leaves whole")
			require.False(t, f.Fin)
			got += len(f.Payload)
		}
		require.Less(t, got, size/2)
		require.Zero(t, e.conn.Stats().Sent.Held)
	})
}

func TestC4_AnAbortBehindAStalledPeerIsCutAfterCloseTimeout(t *testing.T) {
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

func TestC4_AbortFailsWritersAndDropsWhatIsQueuedOverTCP(t *testing.T) {
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

func TestC5_AfterARemoteCleanCloseEveryWriteFailsAlike(t *testing.T) {
	for name, sent := range map[string]wstest.Frame{
		"1000":    wstest.Close(1000, ""),
		"no code": wstest.CloseEmpty(),
		"1001":    wstest.Close(1001, "going"),
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) { everyWriteFailsAlike(t, e, sent) })
		})
	}
}

func everyWriteFailsAlike(t *testing.T, e *end, sent wstest.Frame) {
	e.peer.Send(sent)
	e.wantClose(t, wstest.Frame{Fin: true, Op: ws.OpClose, Payload: sent.Payload[:min(2, len(sent.Payload))]})
	e.peer.Close()
	_, err := e.closed(t)
	require.NoError(t, err)
	_, end := e.conn.Readable().Pull(patient(t))
	want, result := end, end
	if end == io.EOF {
		want, result = wsstream.ErrClosed, nil
	} else {
		told(1001, "going")(t, e, end)
	}
	w := e.conn.Writable()
	for range 2 {
		require.Equal(t, want, w.Write(patient(t), wsstream.Text("x")))
		ok, err := w.TryWrite(wsstream.Text("x"))
		require.False(t, ok)
		require.Equal(t, want, err)
		require.Equal(t, want, w.Ready(patient(t)))
		_, err = w.NewMessage(patient(t), wsstream.TypeText)
		require.Equal(t, want, err)
		_, err = e.conn.Ping(patient(t))
		require.Equal(t, want, err)
	}
	require.Zero(t, w.DesiredSize())
	require.NoError(t, w.Flush(patient(t)), "nothing was accepted that has not left")
	require.Equal(t, result, w.Close(patient(t)))
	require.Equal(t, result, w.Fail(patient(t), errReason))
	require.Equal(t, result, e.conn.Shutdown(patient(t), wsstream.CloseInfo{}))
}

func TestC6_AcceptedDataThatCouldNotBeSentMakesTheCloseUnclean(t *testing.T) {
	inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 9000))))
		synctest.Wait()
		e.peer.Send(wstest.Close(3003, "had enough"))
		e.peer.Close()
		wantUnsent(t, e, 3003)
	})
}

func TestC6_AcceptedDataThatIsStillUnsentAfterCloseTimeoutMakesTheCloseUnclean(t *testing.T) {
	inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 9000))))
		e.peer.Send(wstest.Close(3003, "had enough"))
		wantUnsent(t, e, 3003)
	})
}

func TestC6_AcceptedDataThatCouldNotBeSentMakesTheCloseUncleanOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{WriteWindow: -1, CloseTimeout: 200 * time.Millisecond, Limit: 16 << 10}, client)
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 32<<20))))
		e.peer.Send(wstest.Close(3003, "had enough"))
		wantUnsent(t, e, 3003)
	}
}

func wantUnsent(t *testing.T, e *end, code int) {
	t.Helper()
	_, err := e.closed(t)
	var unclean *wsstream.Error
	require.ErrorAs(t, err, &unclean)
	require.Equal(t, code, unclean.Code)
	_, got := e.conn.Readable().Pull(patient(t))
	require.Same(t, unclean, got)
	require.Same(t, unclean, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
}

func TestC6_DataDroppedByAbortDoesNot(t *testing.T) {
	onEveryPath(t, config{Limit: 16 << 10, WriteWindow: -1}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 8<<20))))
		require.NoError(t, e.conn.Writable().Abort(nil))
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == ws.OpClose {
				break
			}
		}
		require.Zero(t, e.conn.Stats().Sent.Held)
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
	})
}

func TestC7_AfterAnUncleanEndEveryWriteFailsAsClosedDoes(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Cut()
		_, end := e.closed(t)
		var unclean *wsstream.Error
		require.ErrorAs(t, end, &unclean)
		w := e.conn.Writable()
		for range 2 {
			require.Same(t, unclean, w.Write(patient(t), wsstream.Text("x")))
			_, err := w.TryWrite(wsstream.Text("x"))
			require.Same(t, unclean, err)
			require.Same(t, unclean, w.Ready(patient(t)))
			_, err = w.NewMessage(patient(t), wsstream.TypeText)
			require.Same(t, unclean, err)
			require.Same(t, unclean, w.Close(patient(t)))
		}
	})
}

func TestC7_AWritableThatHadEndedStaysAsItIs(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Abort(errReason))
		e.peer.WantClose("Abort's Close", 1011)
		e.peer.Cut()
		_, err := e.closed(t)
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, errReason, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
	})
}
