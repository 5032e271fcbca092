package wsstream_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestStatsCountWholeMessages(t *testing.T) {
	onEveryPath(t, config{MaxFrameSize: 100}, func(t *testing.T, e *end) {
		ctx, r, w := patient(t), e.conn.Readable(), e.conn.Writable()
		require.Equal(t, wsstream.Flow{}, e.received())

		e.peer.Send(wstest.Text("12345").Part(), wstest.Ping("not counted"), wstest.Cont([]byte("678"), true), wstest.Binary(nil),
			wstest.Text("read as a stream"), wstest.Text("skipped"), wstest.Text("dropped by nobody"))
		require.Equal(t, "12345678", e.pull(t))
		require.Equal(t, wsstream.Flow{Messages: 1, Bytes: 8}, e.received())
		require.NoError(t, r.PullInto(ctx, &wsstream.Message{}))
		require.Equal(t, wsstream.Flow{Messages: 2, Bytes: 8}, e.received())
		m, err := r.NextMessage(ctx)
		require.NoError(t, err)
		_, err = m.Read(make([]byte, 4))
		require.NoError(t, err)
		require.Equal(t, wsstream.Flow{Messages: 2, Bytes: 8}, e.received(), "it is not whole yet")
		_, err = io.ReadAll(m)
		require.NoError(t, err)
		require.Equal(t, wsstream.Flow{Messages: 3, Bytes: 8 + 16}, e.received())
		m, err = r.NextMessage(ctx)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.Equal(t, "dropped by nobody", e.pull(t))
		require.Equal(t, wsstream.Flow{Messages: 4, Bytes: 8 + 16 + 17}, e.received(), "what was skipped is not counted")

		e.peer.Want("a pong, which is not counted", wstest.Pong("not counted"))
		require.Equal(t, wsstream.Flow{}, e.sent())
		require.NoError(t, w.Write(ctx, wsstream.Binary(make([]byte, 250))))
		ok, err := w.TryWrite(wsstream.Text("four"))
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, w.Write(ctx, wsstream.Text("prepared").Prepare()))
		require.Equal(t, wsstream.Flow{Messages: 3, Bytes: 250 + 4 + 8}, e.sent())
		mw, err := w.NewMessage(ctx, wsstream.TypeText)
		require.NoError(t, err)
		for range 3 {
			_, err = mw.Write([]byte("piece"))
			require.NoError(t, err)
		}
		require.EqualValues(t, 3, e.sent().Messages, "it is not whole yet")
		require.NoError(t, mw.Close())
		require.Error(t, w.Write(ctx, wsstream.Text("\xff")))
		require.Equal(t, wsstream.Flow{Messages: 4, Bytes: 250 + 4 + 8 + 15}, e.sent(), "what was not accepted is not counted")
	})
}

// received is what Stats counts of the peer's messages, without what is held.
func (e *end) received() wsstream.Flow { return counts(e.conn.Stats().Received) }

// sent is received of our messages.
func (e *end) sent() wsstream.Flow { return counts(e.conn.Stats().Sent) }

func counts(f wsstream.Flow) wsstream.Flow {
	return wsstream.Flow{Messages: f.Messages, Bytes: f.Bytes}
}

func TestStatsTellHowLongThereWasNoCredit(t *testing.T) {
	inBubble(t, config{ReadWindow: 1000, WriteWindow: 1000, Limit: 100}, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Stall(true)
		written := goWrite(t, e, wsstream.Binary(make([]byte, 2000)))
		synctest.Wait()
		<-time.After(3 * time.Second)
		require.Equal(t, 3*time.Second, e.conn.Stats().Sent.Stalled, "it is counted as it passes")
		require.GreaterOrEqual(t, e.conn.Stats().Sent.Held, int64(1900))
		e.net.(*memnet.Conn).Stall(false)
		require.Len(t, readMessage(t, e), 2000)
		require.NoError(t, (<-written).err)
		synctest.Wait()
		<-time.After(time.Minute)
		require.Equal(t, 3*time.Second, e.conn.Stats().Sent.Stalled, "now there is credit")
		require.Zero(t, e.conn.Stats().Sent.Held)

		require.Zero(t, e.conn.Stats().Received.Stalled)
		sent := flood(e, 2, 800)
		e.notice()
		start := time.Now()
		before := e.conn.Stats().Received.Stalled
		<-time.After(5 * time.Second)
		for range 2 {
			require.Len(t, e.pull(t), 800)
		}
		require.NoError(t, <-sent)
		require.Equal(t, before+time.Since(start), e.conn.Stats().Received.Stalled)
		<-time.After(time.Minute)
		require.Equal(t, before+5*time.Second, e.conn.Stats().Received.Stalled)
		require.EqualValues(t, 0, e.conn.Stats().Received.Held)
	})
}

func TestStatsTellStallsOfEveryWayToWrite(t *testing.T) {
	const size = 5000
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data) // it does not compress
	message := func(ctx context.Context, w *wsstream.Writable, piece int) error {
		m, err := w.NewMessage(ctx, wsstream.TypeBinary)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(data, piece) {
			if _, err := m.Write(part); err != nil {
				return err
			}
		}
		return m.Close()
	}
	type writable = *wsstream.Writable
	for name, write := range map[string]func(ctx context.Context, w writable) error{
		"Write": func(ctx context.Context, w writable) error {
			return w.Write(ctx, wsstream.Binary(data))
		},
		"a prepared message": func(ctx context.Context, w writable) error {
			return w.Write(ctx, wsstream.Binary(data).Prepare())
		},
		"many Writes": func(ctx context.Context, w writable) error {
			for part := range slices.Chunk(data, 90) {
				if err := w.Write(ctx, wsstream.Binary(part)); err != nil {
					return err
				}
			}
			return nil
		},
		"TryWrite and Ready": func(ctx context.Context, w writable) error {
			for part := range slices.Chunk(data, 90) {
				for ok := false; !ok; {
					if err := w.Ready(ctx); err != nil {
						return err
					}
					var err error
					if ok, err = w.TryWrite(wsstream.Binary(part)); err != nil {
						return err
					}
				}
			}
			return nil
		},
		"NewMessage, large pieces": func(ctx context.Context, w writable) error { return message(ctx, w, 3000) },
		"NewMessage, small pieces": func(ctx context.Context, w writable) error { return message(ctx, w, 130) },
	} {
		for _, compression := range []*wsstream.CompressionOptions{nil, {Threshold: -1}} {
			t.Run(fmt.Sprint(name, ", compressed ", compression != nil), func(t *testing.T) {
				var told time.Duration
				trace := &wsstream.Trace{StallEnded: func(_ *wsstream.Conn, d wsstream.Direction, took time.Duration) {
					if d == wsstream.Outbound {
						told += took
					}
				}}
				c := config{WriteWindow: 1000, MaxFrameSize: 300, Limit: 100, Compression: compression, Trace: trace}
				if compression != nil {
					c.Extensions = "permessage-deflate"
				}
				inBubble(t, c, func(t *testing.T, e *end) {
					told = 0
					e.net.(*memnet.Conn).Stall(true)
					wrote := goDo(func() (wsstream.Message, error) {
						return wsstream.Message{}, write(patient(t), e.conn.Writable())
					})
					<-time.After(3 * time.Second)
					require.Equal(t, 3*time.Second, e.conn.Stats().Sent.Stalled, "it is counted as it passes")
					e.net.(*memnet.Conn).Stall(false)
					for len(wrote) == 0 {
						_, err := e.peer.Next()
						require.NoError(t, err)
						synctest.Wait()
					}
					require.NoError(t, (<-wrote).err)
					require.Equal(t, 3*time.Second, e.conn.Stats().Sent.Stalled)
					require.Equal(t, 3*time.Second, told)
				})
			})
		}
	}
}

func TestStatsHeldMaxCountsAnAssembledMessage(t *testing.T) {
	const window, size = 1 << 10, 100 << 10
	onEveryPath(t, config{ReadWindow: window}, func(t *testing.T, e *end) {
		flooded := flood(e, 1, size)
		require.Len(t, e.pull(t), size)
		require.NoError(t, <-flooded)
		most := e.conn.Stats().Received.HeldMax
		require.GreaterOrEqual(t, most, int64(size-window))
		require.LessOrEqual(t, most, int64(size+window))
	})
}

func TestStatsBeforeOpeningAndAfterTheEnd(t *testing.T) {
	near, far := pipes.TCP(t, 0)
	conn := dialOver(t, near, nil)
	require.Equal(t, wsstream.Stats{}, conn.Stats())
	peer := wstest.NewPeer(t, far, wstest.AsServer)
	peer.ServeHandshake()
	require.NoError(t, conn.Writable().Write(patient(t), wsstream.Text("one")))
	peer.Want("it", wstest.Text("one"))
	conn.CloseNow()
	_, err := conn.Closed().Wait(context.Background())
	require.Error(t, err)
	require.EqualValues(t, 1, conn.Stats().Sent.Messages)
	require.EqualValues(t, 3, conn.Stats().Sent.Bytes)
}

// A program that asks every millisecond must not keep the background reader from starting.
func TestStatsDoNotKeepTheBackgroundReaderFromStarting(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Ping("asked for?"))
		for range 30 {
			<-time.After(time.Millisecond)
			e.conn.Stats()
		}
		synctest.Wait()
		require.NotZero(t, e.far.(*memnet.Conn).Buffered(), "the ping is not answered")
		e.peer.Want("the answer", wstest.Pong("asked for?"))
	})
}

func TestStatsDoNotStarveAPull(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		for _, busy := range []int{0, 2} {
			for _, discards := range []bool{false, true} {
				name := fmt.Sprintf("processors=%d/busy=%d/discards=%v", procs, busy, discards)
				t.Run(name, func(t *testing.T) { askWhilePulling(t, procs, busy, discards) })
			}
		}
	}
}

// askWhilePulling has ten goroutines ask for Stats while one pulls, beside busy goroutines.
func askWhilePulling(t *testing.T, procs, busy int, discards bool) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	const askers, messages = 10, 100
	near, far := pipes.TCP(t, 0)
	c := config{ReadWindow: 1 << 10, WriteWindow: 1 << 10, MaxFrameSize: 500}
	client, server := conns(t, c, near, far)
	ctx, stop := patient(t), make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(stop)
	goes := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	for range askers {
		others.Go(func() {
			for goes() {
				_ = server.Stats()
				<-time.After(time.Microsecond)
			}
		})
	}
	for range busy {
		others.Go(func() {
			for goes() {
			}
		})
	}
	if discards {
		server.Readable().Discard()
	}
	ended := goDo(func() (m wsstream.Message, err error) {
		for err == nil {
			err = server.Readable().PullInto(ctx, &m)
		}
		return m, err
	})
	for range messages {
		m := wsstream.Binary(make([]byte, 3000))
		require.NoError(t, client.Writable().Write(ctx, m))
	}
	require.NoError(t, client.Writable().Close(ctx))
	require.Equal(t, io.EOF, (<-ended).err)
	if !discards {
		require.EqualValues(t, messages, server.Stats().Received.Messages)
	}
}
