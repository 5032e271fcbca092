package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// onProcessors runs f with one processor and with two. Conns with one have nobody to gather for them.
func onProcessors(t *testing.T, f func(t *testing.T)) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d", n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			f(t)
		})
	}
}

func TestFlusherSendsAnAnswerWhileTheHandlerComputes(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		conn, far := rawServer(t)
		var answered atomic.Bool
		serveRaw(t, far, func() {
			_, err := far.Write(bytes.Repeat(maskedFrame(allocSize), 64))
			if err == nil {
				_, err = io.ReadFull(far, make([]byte, frameLen(allocSize)))
			}
			answered.Store(err == nil)
		})
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.NoError(t, conn.Writable().Write(t.Context(), m))
		for begin := time.Now(); !answered.Load(); { // and makes no call that could send it
			require.Less(t, time.Since(begin), 30*time.Second)
		}
	})
}

func TestFlusherSendsABurstWhileItsWriterComputes(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		const n = 50
		conn, far := rawServer(t)
		var arrived atomic.Bool
		serveRaw(t, far, func() {
			_, err := io.ReadFull(far, make([]byte, n*frameLen(allocSize)))
			arrived.Store(err == nil)
		})
		for range n {
			require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, allocSize))))
		}
		for begin := time.Now(); !arrived.Load(); {
			require.Less(t, time.Since(begin), 30*time.Second)
		}
	})
}

func TestFlushCountsOnlyWhatWasAccepted(t *testing.T) {
	inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
		for _, size := range []int{2000, 4080, 20} { // the first leaves, the last shares no chunk with the one before
			require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size))))
			synctest.Wait()
		}
		flushed := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Flush(t.Context()) })
		e.peer.Send(wstest.Ping(strings.Repeat("p", 100))) // its answer is longer than the last message
		e.notice()
		for len(flushed) == 0 {
			_, err := e.far.Read(make([]byte, 10))
			require.NoError(t, err)
			synctest.Wait()
		}
		require.NoError(t, (<-flushed).err)
		require.Zero(t, e.conn.Stats().Sent.Held)
	})
}

func TestFlushWaitsForWhatWasAcceptedBeforeIt(t *testing.T) {
	inBubble(t, config{WriteWindow: -1, MaxFrameSize: 1 << 10, Limit: 4 << 10}, func(t *testing.T, e *end) {
		flush := func(ctx context.Context) <-chan result {
			return goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Flush(ctx) })
		}
		require.NoError(t, (<-flush(t.Context())).err, "nothing was accepted")
		size := e.stuff(t, true)
		first := flush(t.Context())
		ctx, cancel := context.WithCancelCause(t.Context())
		second := flush(ctx)
		synctest.Wait()
		require.Empty(t, first)
		cancel(errWhy)
		require.Equal(t, errWhy, (<-second).err, "only the wait has ended")
		e.stuff(t, true)
		require.Equal(t, size, e.wantData(t))
		for range 64 { // frames of the next message that may share a write with the last
			_, err := e.peer.Next()
			require.NoError(t, err)
		}
		require.NoError(t, (<-first).err, "what was accepted after it is not waited for")

		third := flush(t.Context())
		synctest.Wait()
		require.Empty(t, third)
		e.conn.CloseNow()
		theEnd(t, e, (<-third).err)
	})
}

func TestFlushWhoseContextEndsReturnsTheCause(t *testing.T) {
	inBubble(t, config{CloseTimeout: time.Minute, Limit: 1 << 10}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 16<<10))))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		require.Equal(t, errWhy, e.conn.Writable().Flush(ctx), "they may still leave")
	})
}
