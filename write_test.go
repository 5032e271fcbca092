package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestWriteOf8MiBTakesAsLongAsThePeerPauses(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		start := time.Now()
		wrote := goWrite(t, e, wsstream.Binary(make([]byte, 8<<20)))
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Empty(t, wrote)
		require.LessOrEqual(t, e.conn.Stats().Sent.HeldMax,
			int64(wsstream.DefaultWriteWindow+wsstream.DefaultMaxFrameSize+14))
		require.Equal(t, 8<<20, len(readMessage(t, e)))
		require.NoError(t, (<-wrote).err)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestWriteOf8MiBWaitsOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{Limit: 64 << 10}, client)
		wrote := goWrite(t, e, wsstream.Binary(make([]byte, 8<<20)))
		select {
		case r := <-wrote:
			require.FailNow(t, "the Write returned before the peer read", "%v", r.err)
		case <-time.After(300 * time.Millisecond):
		}
		require.Equal(t, 8<<20, len(readMessage(t, e)))
		require.NoError(t, (<-wrote).err)
	}
}

func TestWriteReturnsOnceTheRestFitsTheWindow(t *testing.T) {
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

// TestWriteLeavesTheCallersBytesAlone: when Write returns the bytes are the caller's again, and
// have not been changed.
func TestWriteLeavesTheCallersBytesAlone(t *testing.T) {
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

// TestWriteWhoseContextEndsHasCopiedTheRest: A Write that was admitted is sent whole.
func TestWriteWhoseContextEndsHasCopiedTheRest(t *testing.T) {
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

func TestWriteFailsAlikeAfterThePeersClose(t *testing.T) {
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
	e.wantClose(t,
		wstest.Frame{Fin: true, Op: wstest.OpClose, Payload: sent.Payload[:min(2, len(sent.Payload))]})
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

func TestWriteRefusesTextThatIsNotUTF8(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.conn.Writable()
		require.ErrorContains(t, w.Write(t.Context(), wsstream.Text("\xff")), "UTF-8")
		ok, err := w.TryWrite(wsstream.Text("cut \xc3"))
		require.False(t, ok)
		require.ErrorContains(t, err, "UTF-8")
		require.Error(t, w.Write(t.Context(), wsstream.Message{Type: 8}), "a type that there is not")

		m := e.newMessage(t, t.Context())
		n, err := m.Write([]byte("a\xff"))
		require.Zero(t, n)
		require.ErrorContains(t, err, "UTF-8")
		_, err = m.Write([]byte("\xc3")) // half a character
		require.NoError(t, err)
		_, err = m.Write([]byte("\xbc"))
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.NoError(t, w.Write(t.Context(), wsstream.Binary([]byte("\xff"))))
		require.Equal(t, "\xc3\xbc", string(readMessage(t, e)), "what was right, and no more")
		e.peer.Want("what followed", wstest.Binary([]byte("\xff")))
	})
}

func TestDesiredSizeBeforeOpeningAndAfterTheEnd(t *testing.T) {
	for window, want := range map[int]int{0: wsstream.DefaultWriteWindow, 300: 300, -1: math.MaxInt} {
		f := failure{opts: wsstream.DialOptions{WriteWindow: window}, fail: func(*dialling) {}}
		whileDialling(t, f, func(d *dialling) {
			require.Equal(t, want, d.conn.Writable().DesiredSize())
			ok, err := d.conn.Writable().TryWrite(wsstream.Text("x"))
			require.False(t, ok)
			require.NoError(t, err)
			d.conn.CloseNow()
			require.Zero(t, d.conn.Writable().DesiredSize(), "the handshake has failed")
		})
		onEveryPath(t, config{WriteWindow: window}, func(t *testing.T, e *end) {
			require.Equal(t, want, e.conn.Writable().DesiredSize())
			require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
			require.Zero(t, e.conn.Writable().DesiredSize())
			e.conn.CloseNow()
			require.Zero(t, e.conn.Writable().DesiredSize())
		})
	}
}

func TestWriteBeforeACleanCloseArrives(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			c := config{
				WriteWindow:  256 + r.IntN(4000),
				ReadWindow:   256 + r.IntN(1000),
				MaxFrameSize: 1 + r.IntN(300),
			}
			near, far := memnet.Pipe(100 + r.IntN(1000))
			client, server := conns(t, c, near, far)
			near.Drip(50, time.Millisecond)
			accepted := make(chan int, 1)
			go func() {
				n := 0
				for client.Writable().Write(t.Context(), numbered(n)) == nil {
					n++
				}
				accepted <- n
			}()
			got := make(chan error, 1)
			count := 0
			next := ways[r.IntN(len(ways))].receive(t, &end{conn: server})
			go func() {
				for {
					m, err := next(t.Context())
					if err == nil {
						err = same(count, m)
					}
					if err != nil {
						got <- err
						return
					}
					count++
				}
			}()
			<-time.After(time.Duration(r.IntN(200)) * time.Millisecond)
			switch r.IntN(4) {
			case 0:
				require.NoError(t, client.Close(wsstream.CloseInfo{Code: 1000}))
			case 1:
				require.NoError(t, client.Writable().Close(t.Context()))
			case 2:
				require.NoError(t, client.Readable().Cancel(nil))
			default:
				require.NoError(t, server.Close(wsstream.CloseInfo{Code: 1001})) // the peer's Close
			}
			require.Equal(t, io.EOF, <-got)
			_, err := client.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, <-accepted, count)
		})
	}
}

func TestWriteReturnsALongMessagesBytesToTheCaller(t *testing.T) {
	// In frames that are sent from where they lie, where nothing stands in front.
	const n, size = 50, 150_000
	conn, far := rawServer(t)
	read := make(chan error, 1)
	go func() { // ends with the last message, or with far
		read <- func() error {
			for i := range n {
				var got []byte
				for fin := false; !fin; {
					h, err := ws.ReadHeader(far)
					if err != nil {
						return err
					}
					part := make([]byte, h.Length)
					if _, err := io.ReadFull(far, part); err != nil {
						return err
					}
					got, fin = append(got, part...), h.Fin
				}
				if !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, size)) {
					return fmt.Errorf("message %d is not what was written", i)
				}
			}
			return nil
		}()
	}()
	data := make([]byte, size)
	for i := range n {
		for j := range data {
			data[j] = byte(i)
		}
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(data)))
		clear(data)
	}
	require.NoError(t, <-read)
}

func TestWriteWaitsForAPeerThatReadsNothing(t *testing.T) {
	inBubble(t, config{WriteWindow: 1 << 10, Limit: 1 << 10}, func(t *testing.T, e *end) {
		large := wsstream.Binary(bytes.Repeat([]byte("x"), 8<<10))
		writing := goWrite(t, e, large)
		requirePending(t, writing, "the window is full")
		ok, err := e.conn.Writable().TryWrite(wsstream.Text("no"))
		require.NoError(t, err)
		require.False(t, ok)
		second := goWrite(t, e, wsstream.Text("second"))
		requirePending(t, second, "a Write waits its turn")
		e.peer.Want("the large one", wstest.Binary(large.Data))
		require.NoError(t, (<-writing).err)
		e.peer.Want("its turn has come", wstest.Text("second"))
		require.NoError(t, (<-second).err)
	})
}

// onProcessors runs f with one processor and with two. With one no other goroutine can run
// meanwhile.
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
		// The first leaves, the last shares no chunk with the one before.
		for _, size := range []int{2000, 4080, 20} {
			require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size))))
			synctest.Wait()
		}
		flushed := goErr(func() error { return e.conn.Writable().Flush(t.Context()) })
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
	c := config{WriteWindow: -1, MaxFrameSize: 1 << 10, Limit: 4 << 10}
	inBubble(t, c, func(t *testing.T, e *end) {
		flush := func(ctx context.Context) <-chan result {
			return goErr(func() error { return e.conn.Writable().Flush(ctx) })
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

// TestFlushWhoseContextEndsReturnsTheCause: the bytes may still leave.
func TestFlushWhoseContextEndsReturnsTheCause(t *testing.T) {
	inBubble(t, config{CloseTimeout: time.Minute, Limit: 1 << 10}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 16<<10))))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		require.Equal(t, errWhy, e.conn.Writable().Flush(ctx), "they may still leave")
	})
}

func TestWritableCloseSendsEverythingThen1000AndWaitsForTheEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		for range 3 {
			require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("accepted")))
		}
		closed := make(chan error, 1)
		go func() { closed <- e.conn.Writable().Close(patient(t)) }()
		e.peer.Want("what was accepted", wstest.Text("accepted"), wstest.Text("accepted"),
			wstest.Text("accepted"))
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

func TestWritableCloseReturnsTheErrorOfAnUncleanEnd(t *testing.T) {
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

func TestWritableCloseWaitsItsTurn(t *testing.T) {
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
		e.peer.Want("the Write that waited, then the Close", wstest.Text("waits its turn"),
			wstest.Close(1000, ""))
		require.NoError(t, (<-first).err)
		require.NoError(t, (<-second).err)
		e.peer.Send(wstest.CloseEmpty())
		e.peer.Close()
		require.NoError(t, <-closed)
	})
}

func TestWritableCloseWaitsForTheEndOrItsContext(t *testing.T) {
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
