package wsstream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestCloseTimeoutBoundsEverythingUpToThePeersClose(t *testing.T) {
	decisions := map[string]func(e *end){
		"Close":      func(e *end) { _ = e.conn.Close(wsstream.CloseInfo{Code: 1000}) },
		"Cancel":     func(e *end) { _ = e.conn.Readable().Cancel(nil) },
		"Abort":      func(e *end) { _ = e.conn.Writable().Abort(nil) },
		"peer":       func(e *end) { e.peer.Send(wstest.Close(1001, "")); synctest.Wait() },
		"protocol":   func(e *end) { e.peer.Send(wstest.Frame{Fin: true, Op: 3}); synctest.Wait() },
		"close call": func(e *end) { go func() { _ = e.conn.Writable().Close(context.Background()) }() },
	}
	stalls := map[string]func(e *end){
		"the peer reads nothing":  func(*end) {},
		"the peer reads too slow": func(e *end) { e.net.(*memnet.Conn).Drip(1, time.Second); go drain(e) },
	}
	for what, decide := range decisions {
		for how, stall := range stalls {
			t.Run(what+"/"+how, func(t *testing.T) {
				inBubble(t, config{WriteWindow: 256, CloseTimeout: 7 * time.Second}, func(t *testing.T, e *end) {
					go func() { _, _ = e.conn.Readable().Pull(context.Background()) }() // so that all is seen at once
					e.stuff(t, true)
					synctest.Wait()
					stall(e)
					start := time.Now()
					decide(e)
					_, err := e.closed(t)
					require.IsType(t, &wsstream.Error{}, err)
					require.Equal(t, 7*time.Second, time.Since(start))
				})
			})
		}
	}
}

// drain reads what we send, as it comes, to the end.
func drain(e *end) {
	_, _ = io.Copy(io.Discard, e.far)
}

func TestWithoutCloseTimeoutACloseWaitsForEver(t *testing.T) {
	inBubble(t, config{CloseTimeout: -1}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		select {
		case <-e.conn.Closed().Done():
			require.Fail(t, "it has ended")
		case <-time.After(1000 * time.Hour):
		}
	})
}

func TestAClientGivesTheServerASecondToDropTheTransport(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Close(1000, ""))
		_, err := e.conn.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err, "the streams need not wait for that")
		start := time.Now()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 1000, info.Code)
		if e.client {
			require.Equal(t, time.Second, time.Since(start))
		} else {
			require.Zero(t, time.Since(start), "the server drops at once")
		}
		require.True(t, e.net.(*memnet.Conn).Closed())
	})
	synctest.Test(t, func(t *testing.T) { // one that drops is not waited for
		e := inMemory(t, config{}, true)
		e.peer.Send(wstest.Close(1000, ""))
		e.wantClose(t, wstest.Close(1000, ""))
		start := time.Now()
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) { // nor with a Close that was the last to fit the window
		e := inMemory(t, config{ReadWindow: 256}, true)
		e.peer.Send(wstest.Binary(make([]byte, 250)), wstest.CloseEmpty())
		e.wantClose(t, wstest.CloseEmpty())
		require.EqualValues(t, 256, e.conn.Stats().Received.Held)
		start := time.Now()
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
	})
}

func TestAfterOurCloseNoPingIsAnsweredAndDataIsStillDelivered(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.Want("the Close", wstest.Close(1000, ""))
		e.peer.Send(wstest.Ping("late?"), wstest.Text("late"), wstest.Ping("later?"))
		require.Equal(t, "late", e.pull(t))
		e.peer.Send(wstest.Text("later"), wstest.Close(1000, ""))
		require.Equal(t, "later", e.pull(t))
		_, err := e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
		if e.client {
			e.peer.CloseWrite()
		}
		e.peer.WantEOF("nothing but the end of the transport")
		_, err = e.closed(t)
		require.NoError(t, err)
	})
}

func TestNoPingIsAnsweredOnceOurCloseIsQueued(t *testing.T) {
	inBubble(t, config{WriteWindow: 256, MaxFrameSize: 1 << 10, Limit: 4 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
		e.peer.Send(wstest.Ping("late?"))
		e.notice()
		require.Equal(t, size, e.wantData(t)) // fails on a pong
		e.peer.Want("the Close", wstest.CloseEmpty())
	})
}

func TestAfterThePeersCloseAllInputIsDropped(t *testing.T) {
	onEveryPath(t, config{Limit: 64 << 10, WriteWindow: 256}, func(t *testing.T, e *end) {
		size := e.stuff(t, true) // keeps the connection from ending
		e.peer.Send(wstest.Text("last"), wstest.Close(1000, ""), wstest.Text("beyond"), wstest.Frame{Fin: true, Op: 3})
		require.Equal(t, "last", e.pull(t))
		e.peer.Send(wstest.Binary(make([]byte, 512<<10))) // and it is taken
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the answer", wstest.Close(1000, ""))
		_, err := e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestWithNobodyPullingTheReaderRunsAfterCloseWhileCreditLasts(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 1 << 10, CloseTimeout: time.Minute}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Binary(make([]byte, 512)))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.Want("the Close", wstest.Close(1000, ""))
		e.peer.Send(wstest.Close(3001, ""))
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 3001, info.Code)
		require.Len(t, e.pull(t), 512)
	})
}

func TestThePeersCloseBehindAFullWindowIsNotSeen(t *testing.T) {
	flood := func(e *end) {
		for range 4 {
			e.peer.Send(wstest.Binary(make([]byte, 512)))
		}
		e.peer.Send(wstest.Close(3001, ""))
		<-time.After(time.Second)
	}
	c := config{ReadWindow: 1 << 10, CloseTimeout: 7 * time.Second}
	ways := []struct {
		what  string
		close func(e *end)
		after time.Duration
		code  int
	}{
		{"Close", func(e *end) { _ = e.conn.Close(wsstream.CloseInfo{}) }, 7 * time.Second, 1006},
		{"Abort", func(e *end) { _ = e.conn.Writable().Abort(nil) }, 7 * time.Second, 1006},
		{"Close and pull", func(e *end) {
			_ = e.conn.Close(wsstream.CloseInfo{})
			for range e.conn.Readable().All(context.Background()) {
			}
		}, 0, 3001},
		{"Cancel", func(e *end) { _ = e.conn.Readable().Cancel(nil) }, 0, 3001},
		{"Discard", func(e *end) { e.conn.Readable().Discard(); _ = e.conn.Close(wsstream.CloseInfo{}) }, 0, 3001},
		{"Shutdown", func(e *end) { _ = e.conn.Shutdown(context.Background(), wsstream.CloseInfo{}) }, 0, 3001},
	}
	for _, w := range ways {
		t.Run(w.what, func(t *testing.T) {
			inBubble(t, c, func(t *testing.T, e *end) {
				flood(e)
				start := time.Now()
				go func() { // the peer drops the transport behind the Close
					_, _ = e.far.Read(make([]byte, 64)) // our Close
					_ = e.far.Close()
				}()
				w.close(e)
				info, err := e.closed(t)
				require.Equal(t, w.after, time.Since(start))
				if w.code == 1006 {
					unclean(1006, "CloseTimeout")(t, e, err)
					require.Len(t, e.pull(t), 512, "what came can still be pulled")
					return
				}
				require.NoError(t, err)
				require.Equal(t, w.code, info.Code)
			})
		})
	}
}

func TestCancelAbortAndCloseNowDoNotWaitForThePeer(t *testing.T) {
	inBubble(t, config{WriteWindow: 256}, func(t *testing.T, e *end) {
		e.stuff(t, true)
		start := time.Now()
		require.NoError(t, e.conn.Readable().Cancel(nil))
		require.NoError(t, e.conn.Writable().Abort(nil))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
		require.False(t, ended(e))
		e.conn.CloseNow()
		require.True(t, ended(e), "a cut is done when CloseNow returns")
		require.Zero(t, time.Since(start))
	})
}

func TestWritableCloseWaitsForTheEndAndItsContextEndsTheWait(t *testing.T) {
	inBubble(t, config{WriteWindow: 256}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		waiting := goWrite(t, e, wsstream.Text("waits"))
		synctest.Wait()

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		require.Equal(t, errWhy, e.conn.Writable().Close(ctx), "it waits its turn")
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the Write that stood before it", wstest.Text("waits"))
		require.NoError(t, (<-waiting).err)
		e.peer.WantIdle("nothing was closed")
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("more")))
		e.peer.Want("more", wstest.Text("more"))

		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		require.Equal(t, errWhy, e.conn.Writable().Close(ctx), "it waits for the peer")
		e.peer.Want("the Close", wstest.Close(1000, ""))
		e.peer.Send(wstest.Close(1000, ""))
		e.drop(t)
		require.NoError(t, e.conn.Writable().Close(t.Context()))
	})
	inBubble(t, config{}, func(t *testing.T, e *end) {
		theEnd(t, e, e.conn.Writable().Close(t.Context())) // the peer does nothing
	})
}

func ended(e *end) bool {
	select {
	case <-e.conn.Closed().Done():
		return true
	default:
		return false
	}
}
