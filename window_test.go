package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A countingConn counts the Reads and Writes of its transport.
type countingConn struct {
	net.Conn
	calls atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	c.calls.Add(1)
	return c.Conn.Read(p)
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.calls.Add(1)
	return c.Conn.Write(p)
}

// callsCounted is inBubble with the calls on the transport counted.
func callsCounted(t *testing.T, c config, f func(t *testing.T, e *end, calls *atomic.Int64)) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(c.Limit)
				nc := &countingConn{Conn: near}
				f(t, open(t, c, client, nc, far), &nc.calls)
			})
		})
	}
}

// TestReadWindowStopsAFloodAndPullStartsItAgain: A stalled stream costs no processor time.
func TestReadWindowStopsAFloodAndPullStartsItAgain(t *testing.T) {
	const window, size, n = 8 << 10, 1000, 100
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			c := config{ReadWindow: window, Limit: 4 << 10}
			callsCounted(t, c, func(t *testing.T, e *end, calls *atomic.Int64) {
				stalledAndGoesOn(t, e, w, calls, window, size, n)
			})
		})
	}
}

// stalledAndGoesOn lets the peer send n messages, which take more than the window. Nothing is read
// for an hour.
func stalledAndGoesOn(
	t *testing.T, e *end, w receiving, calls *atomic.Int64, window, size, n int,
) {
	next := w.receive(t, e)
	flooded := flood(e, n, size)
	<-time.After(time.Second) // the background reader has taken what there is credit for
	requirePending(t, flooded, "the peer's writes stop")
	before := calls.Load()
	<-time.After(time.Hour)
	requirePending(t, flooded, "the peer's writes stop")
	require.Equal(t, before, calls.Load(), "a stalled stream costs no CPU")
	stats := e.conn.Stats().Received
	require.Equal(t, int64(window), stats.Held)
	require.Equal(t, int64(window), stats.HeldMax)
	require.GreaterOrEqual(t, stats.Stalled, time.Hour)

	for range n {
		require.Len(t, next.text(t), size)
	}
	require.NoError(t, <-flooded)
	stats = e.conn.Stats().Received
	require.Zero(t, stats.Held)
	require.LessOrEqual(t, stats.HeldMax, int64(window+size))
	require.Less(t, stats.Stalled, time.Hour+2*time.Second)
	e.echoes(t, next)
}

// TestWriteWindowStopsWritersAndReadyWakesThem: Ready returns exactly when there is credit
// again.
func TestWriteWindowStopsWritersAndReadyWakesThem(t *testing.T) {
	const window, size = 4 << 10, 500
	c := config{WriteWindow: window, Limit: 1 << 10}
	callsCounted(t, c, func(t *testing.T, e *end, calls *atomic.Int64) {
		w, accepted := e.conn.Writable(), 0
		for ok := true; ok; accepted++ {
			var err error
			ok, err = w.TryWrite(wsstream.Binary(make([]byte, size)))
			require.NoError(t, err)
			synctest.Wait()
		}
		accepted-- // the last was refused
		require.LessOrEqual(t, w.DesiredSize(), 0)
		require.Greater(t, w.DesiredSize(), -size-14)
		require.LessOrEqual(t, e.conn.Stats().Sent.HeldMax, int64(window+size+14))

		<-time.After(time.Second) // the background reader waits in its Read
		before := calls.Load()
		<-time.After(time.Hour)
		synctest.Wait()
		require.Equal(t, before, calls.Load(), "a stalled stream costs no CPU")

		ready := make(chan error, 1)
		go func() { ready <- w.Ready(t.Context()) }()
		requirePending(t, ready, "there is no credit")
		one := make([]byte, 1)
		for woken := false; !woken; {
			_, err := e.far.Read(one)
			require.NoError(t, err)
			synctest.Wait()
			select {
			case err := <-ready:
				require.NoError(t, err)
				require.Positive(t, w.DesiredSize())
				woken = true
			default:
				require.LessOrEqual(t, w.DesiredSize(), 0, "there is credit, and Ready did not return")
			}
		}
		require.NoError(t, w.Ready(t.Context()))
		require.Equal(t, int64(accepted), e.conn.Stats().Sent.Messages)
		ok, err := w.TryWrite(wsstream.Binary(nil))
		require.NoError(t, err)
		require.True(t, ok)
	})
}

// huge is a message that no memory should hold.
func huge() int64 {
	if raceEnabled {
		return 64 << 20
	}
	return 1 << 30
}

func TestReadWindowLimitsNextMessage(t *testing.T) {
	const window = 32 << 10
	inBubble(t, config{ReadWindow: window}, func(t *testing.T, e *end) {
		sent := make(chan error, 1)
		go func() {
			_, err := e.far.Write(e.peer.EncodeHeader(wstest.Binary(nil), huge()))
			block := make([]byte, 64<<10)
			for n := int64(0); n < huge() && err == nil; n += int64(len(block)) {
				_, err = e.far.Write(block)
			}
			sent <- err
		}()
		m, err := e.conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, m)
		require.NoError(t, err)
		require.Equal(t, huge(), n)
		require.NoError(t, <-sent)
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window))
		e.echo(t)
	})
}

// TestReadWindowOfAMillionEmptyFrames: they use credit for their bytes, and allocate nothing
// each.
func TestReadWindowOfAMillionEmptyFrames(t *testing.T) {
	n := 1_000_000
	if raceEnabled {
		n /= 10 // under the detector each pull takes microseconds
	}
	inBubble(t, config{ReadWindow: 16 << 20}, func(t *testing.T, e *end) {
		frames := bytes.Repeat(e.peer.EncodeHeader(wstest.Binary(nil), 0), n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e.peer.SendRaw(frames)
		<-time.After(time.Second) // the background reader has it all
		synctest.Wait()
		runtime.ReadMemStats(&after)
		require.Equal(t, int64(len(frames)), e.conn.Stats().Received.Held)
		require.Less(t, after.Mallocs-before.Mallocs, uint64(n/100))

		var m wsstream.Message
		for range n {
			if err := e.conn.Readable().PullInto(t.Context(), &m); err != nil || len(m.Data) > 0 {
				require.Fail(t, "not an empty message", "%q, %v", m.Data, err)
			}
		}
		require.Equal(t, int64(n), e.conn.Stats().Received.Messages)
		require.Zero(t, e.conn.Stats().Received.Held)
		e.echo(t)
	})
}

func TestWindowSmallerThanAMessageIsEnough(t *testing.T) {
	const window, frame, size = 1 << 10, 500, 100 << 10
	c := config{ReadWindow: window, WriteWindow: window, MaxFrameSize: frame}
	inEveryWay(t, c, func(t *testing.T, e *end, w receiving) {
		next := w.receive(t, e)
		large := bytes.Repeat([]byte("0123456789"), size/10)
		flooded := make(chan error, 1)
		go func() { flooded <- e.peer.Write(wstest.Binary(large)) }()
		require.Equal(t, string(large), next.text(t))
		require.NoError(t, <-flooded)
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(size+window))

		writing := goWrite(t, e, wsstream.Binary(large))
		require.Equal(t, large, readMessage(t, e))
		require.NoError(t, (<-writing).err)
		require.LessOrEqual(t, e.conn.Stats().Sent.HeldMax, int64(window+frame+8),
			"it is encoded as room comes")
	})
}

func TestWriteWindowLimitsNewMessage(t *testing.T) {
	const window, size = 1 << 10, 50 << 10
	inBubble(t, config{WriteWindow: window, Limit: 512}, func(t *testing.T, e *end) {
		large := bytes.Repeat([]byte("0123456789"), size/10)
		written := make(chan error, 1)
		go func() {
			m, err := e.conn.Writable().NewMessage(t.Context(), wsstream.TypeBinary)
			if err == nil {
				_, err = m.Write(large)
			}
			if err == nil {
				err = m.Close()
			}
			written <- err
		}()
		requirePending(t, written, "the peer reads nothing")
		require.Equal(t, large, readMessage(t, e))
		require.NoError(t, <-written)
		require.LessOrEqual(t, e.conn.Stats().Sent.HeldMax, int64(window))
	})
}

func TestWindowOfLessThanZeroHasNoLimit(t *testing.T) {
	inBubble(t, config{ReadWindow: -1, WriteWindow: -1, Limit: 1 << 10}, func(t *testing.T, e *end) {
		const n, size = 30, 64 << 10
		require.Equal(t, math.MaxInt, e.conn.Writable().DesiredSize())
		require.NoError(t, <-flood(e, n, size), "all of it is taken, though no call pulls")
		for range n {
			ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, size)))
			require.NoError(t, err)
			require.True(t, ok)
			require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("immediately")))
		}
		require.Equal(t, math.MaxInt, e.conn.Writable().DesiredSize())
		require.GreaterOrEqual(t, e.conn.Stats().Sent.Held, int64(n*size-2<<10))
		for range n {
			require.Len(t, e.pull(t), size)
		}
	})
}

// TestMaxMessageSizeLimitsPullAndItsErrorNamesIt: the error names the side, the size and the
// option. NextMessage is not limited.
func TestMaxMessageSizeLimitsPullAndItsErrorNamesIt(t *testing.T) {
	const says = "received a message of 101 bytes or more; our MaxMessageSize is 100"
	fits := wstest.Binary(make([]byte, 100))
	for name, large := range map[string][]wstest.Frame{
		"one frame": {wstest.Binary(make([]byte, 101))},
		"fragments": {
			wstest.Binary(make([]byte, 60)).Part(),
			wstest.Cont(nil, false),
			wstest.Cont(make([]byte, 41), true),
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{MaxMessageSize: 100}, func(t *testing.T, e *end) {
				e.peer.Send(fits)
				require.Len(t, e.pull(t), 100)
				e.peer.Send(large...)
				m, err := e.conn.Readable().NextMessage(t.Context())
				require.NoError(t, err)
				data, err := io.ReadAll(m)
				require.NoError(t, err, "it bounds no NextMessage")
				require.Len(t, data, 101)

				e.peer.Send(large...)
				pulling := goPull(t, e)
				require.Equal(t, says, e.peer.WantClose("too large", 1009))
				e.peer.Close()
				r := <-pulling
				require.ErrorContains(t, r.err, says)
				require.Empty(t, r.msg.Data)
			})
		})
	}
}

func TestReadWindowIsNotSpentOnADeclaredLength(t *testing.T) {
	for _, tc := range []struct {
		name   string
		length int64
		limit  int // MaxMessageSize
		before []wstest.Frame
		first  wstest.Frame
		code   uint16 // 0: the connection stays
	}{
		{name: "2^62", length: 1 << 62, first: wstest.Binary(nil), code: 1009},
		{name: "2^63-1", length: math.MaxInt64, first: wstest.Text(""), code: 1009},
		{
			name:   "a continuation of 2^63-1",
			length: math.MaxInt64,
			before: []wstest.Frame{wstest.Text("x").Part()},
			first:  wstest.Cont(nil, true),
			code:   1009,
		},
		{name: "2^62 without MaxMessageSize", length: 1 << 62, limit: -1, first: wstest.Binary(nil)},
		{name: "a ping of 2^62", length: 1 << 62, first: wstest.Ping(""), code: 1002},
		{name: "a Close of 2^62", length: 1 << 62, first: wstest.CloseEmpty(), code: 1002},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config{MaxMessageSize: tc.limit}
			inEveryWay(t, c, func(t *testing.T, e *end, w receiving) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				all := w.receive(t, e).all(t)
				e.peer.Send(tc.before...)
				e.peer.SendRaw(append(e.peer.EncodeHeader(tc.first, tc.length), make([]byte, 100)...))
				if tc.code == 0 {
					e.peer.CloseWrite()
				} else {
					e.peer.WantClose("a length that cannot be meant", tc.code)
					e.peer.Close()
				}
				got := <-all
				require.Empty(t, got.messages)
				require.NotErrorIs(t, got.err, io.EOF)
				runtime.ReadMemStats(&after)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
			})
		})
	}
}

// The rule of docs/windows.md. The transport holds what comes in the first 10 ms, while no
// call reads yet.
func TestReadWindowCoversAPause(t *testing.T) {
	const messages, size = 1000, 1000 // a message a millisecond: 1 MB/s
	const pause = 50 * time.Millisecond
	for name, c := range map[string]struct {
		window int
		stalls bool
	}{
		"rate x pause fits":         {64 << 10, false},
		"rate x pause does not fit": {16 << 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{ReadWindow: c.window, Limit: 16 << 10}, func(t *testing.T, e *end) {
				start := time.Now()
				e.far.(*memnet.Conn).Drip(size, time.Millisecond)
				sent := goDo(func() (m wsstream.Message, err error) {
					for range messages {
						// 8 bytes of header at most.
						if err := e.peer.Write(wstest.Binary(make([]byte, size-8))); err != nil {
							return m, err
						}
					}
					return m, nil
				})
				for n := range messages {
					if n%50 == 0 {
						<-time.After(pause)
					}
					e.pull(t)
				}
				require.NoError(t, (<-sent).err)
				line := messages * time.Millisecond
				if c.stalls {
					require.NotZero(t, e.conn.Stats().Received.Stalled)
					require.Greater(t, time.Since(start), line+line/5)
				} else {
					require.Zero(t, e.conn.Stats().Received.Stalled)
					require.Less(t, time.Since(start), line+line/5, "the line was never idle")
				}
			})
		})
	}
}

func TestReadWindowIsNotExceededByTheHandshakesBuffer(t *testing.T) {
	const window, readBuffer = 512, 4 << 10 // the buffer is the handshake's
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(1 << 20)
		conn := dialOver(t, near, &wsstream.DialOptions{ReadWindow: window})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ServeHandshake()
		const n = 1000
		for range n {
			peer.Send(wstest.Binary(make([]byte, 98)))
		}
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		<-time.After(time.Minute)
		synctest.Wait()
		require.GreaterOrEqual(t, near.Buffered(), n*100-window-readBuffer)
		require.LessOrEqual(t, conn.Stats().Received.HeldMax, int64(window+readBuffer))
	})
}

func TestReadWindowStopsAPeerThatSends16MiBFor2s(t *testing.T) {
	inBubble(t, config{MaxMessageSize: -1}, func(t *testing.T, e *end) {
		start := time.Now()
		sent := make(chan error, 1)
		go func() {
			for range 16 {
				if err := e.peer.Write(wstest.Binary(make([]byte, 1<<20))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Empty(t, sent)
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(wsstream.DefaultReadWindow))
		for range 16 {
			require.Len(t, e.pull(t), 1<<20)
		}
		require.NoError(t, <-sent)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestReadWindowStopsAPeerOverTCP(t *testing.T) {
	const size, n = 64 << 10, 64
	for _, tc := range []struct {
		client bool
		window int // 0: the default
		most   int64
	}{
		{true, 0, wsstream.DefaultReadWindow},
		{false, 0, wsstream.DefaultReadWindow},
		{true, 512, 512},
	} {
		for _, w := range ways {
			t.Run(fmt.Sprintf("%s/%v", w.name, tc), func(t *testing.T) {
				t.Parallel() // each waits for its peer
				e := overTCP(t, config{ReadWindow: tc.window, Limit: 64 << 10}, tc.client)
				next := w.receive(t, e)
				raw := bytes.Repeat(e.peer.Encode(wstest.Binary(make([]byte, size))), n)
				require.NoError(t, e.far.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
				sent, err := e.far.Write(raw)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				most := tc.most + int64(w.ahead*size)
				require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, most)
				require.NoError(t, e.far.SetWriteDeadline(time.Time{}))
				flooded := goErr(func() error {
					_, err := e.far.Write(raw[sent:])
					return err
				})
				for range n {
					require.Len(t, next.text(t), size)
				}
				require.NoError(t, (<-flooded).err)
			})
		}
	}
}

func TestWindowsOfTheSmallestSizeAreEnough(t *testing.T) {
	c := config{ReadWindow: 256, WriteWindow: 256}
	inEveryWay(t, c, func(t *testing.T, e *end, w receiving) {
		next := w.receive(t, e)
		e.peer.Send(wstest.Binary(make([]byte, 10_000)))
		require.Len(t, next.text(t), 10_000)
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 10_000))))
		require.Len(t, readMessage(t, e), 10_000)
	})
}

func TestReadWindowLimitsWhatIsHeld(t *testing.T) {
	for name, tc := range map[string]struct{ window, most int }{
		"default":  {0, 64 << 10},
		"set":      {1000, 1000},
		"negative": {-1, 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{ReadWindow: tc.window, Limit: 1 << 20}, func(t *testing.T, e *end) {
				require.NoError(t, e.peer.Write(wstest.Binary(make([]byte, 199_000)), wstest.Binary(nil)))
				<-time.After(time.Minute)
				held := e.conn.Stats().Received.Held
				require.LessOrEqual(t, held, int64(tc.most))
				require.Greater(t, held, int64(tc.most)*9/10, "all that there is credit for is read")
			})
		})
	}
}

func TestMaxMessageSizeDefaultAndSet(t *testing.T) {
	for name, tc := range map[string]struct{ limit, fits int }{
		"default": {0, 1 << 20},
		"set":     {1000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{MaxMessageSize: tc.limit}, func(t *testing.T, e *end) {
				sent := make(chan error, 1)
				fits, large := make([]byte, tc.fits), make([]byte, tc.fits+1)
				go func() { sent <- e.peer.Write(wstest.Binary(fits), wstest.Binary(large)) }()
				require.Len(t, e.pull(t), tc.fits)
				pulled := goPull(t, e)
				e.peer.WantClose("one byte more is too big", 1009)
				require.NoError(t, <-sent)
				e.peer.Close()
				require.ErrorContains(t, (<-pulled).err, "MaxMessageSize")
			})
		})
	}
}

func TestMaxMessageSizeOfLessThanZeroIsNone(t *testing.T) {
	onEveryPath(t, config{MaxMessageSize: -1}, func(t *testing.T, e *end) {
		go func() { _ = e.peer.Write(wstest.Binary(make([]byte, 3<<20))) }()
		require.Len(t, e.pull(t), 3<<20)
	})
}

func TestReadWindowIsReadAfterCloseThoughNoCallPulls(t *testing.T) {
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

func TestReadWindowThatIsFullHidesThePeersClose(t *testing.T) {
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
		{
			"Discard",
			func(e *end) { e.conn.Readable().Discard(); _ = e.conn.Close(wsstream.CloseInfo{}) },
			0,
			3001,
		},
		{
			"Shutdown",
			func(e *end) { _ = e.conn.Shutdown(context.Background(), wsstream.CloseInfo{}) },
			0,
			3001,
		},
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
