package wsstream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestMeterAddsUpItsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m wsstream.Meter
		require.Equal(t, wsstream.Totals{}, m.Totals())
		o := &wstest.PairOptions{Accept: &wsstream.AcceptOptions{Meter: &m, ReadWindow: 256}}
		a, b := wstest.Pair(t, o), wstest.Pair(t, o)
		wstest.Pair(t, nil) // not of them
		require.Equal(t, wsstream.Totals{Opened: 2, Open: 2}, m.Totals())

		write := func(c *wsstream.Conn, size int) {
			require.NoError(t, c.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size))))
		}
		write(a.Client, 100)
		write(b.Client, 50)
		write(b.Server, 7)
		for _, c := range []*wsstream.Conn{a.Server, b.Server} {
			_, err := c.Readable().Pull(t.Context())
			require.NoError(t, err)
		}
		now := m.Totals()
		require.Equal(t, wsstream.Flow{Messages: 2, Bytes: 150}, counts(now.Received))
		require.Equal(t, wsstream.Flow{Messages: 1, Bytes: 7}, counts(now.Sent))
		require.Zero(t, now.Received.Held)

		write(a.Client, 300)
		write(b.Client, 300)
		<-time.After(5 * time.Second)
		now = m.Totals()
		stalls := a.Server.Stats().Received.Stalled + b.Server.Stats().Received.Stalled
		require.Equal(t, stalls, now.Received.Stalled)
		require.Greater(t, stalls, 9*time.Second)
		require.Equal(t, a.Server.Stats().Received.Held+b.Server.Stats().Received.Held, now.Received.Held)
		require.GreaterOrEqual(t, now.Received.Held, int64(512))
		require.Less(t, now.Received.HeldMax, int64(512), "what one has held")

		a.Server.CloseNow()
		require.NoError(t, b.Server.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		synctest.Wait()
		before := now
		now = m.Totals()
		require.Equal(t, []int64{2, 0, 1, 1}, []int64{now.Opened, now.Open, now.Clean, now.Unclean})
		require.Zero(t, now.Received.Held)
		require.Equal(t, before.Received.HeldMax, now.Received.HeldMax)
		require.Equal(t, counts(before.Received), counts(now.Received),
			"what was not pulled is not counted")
		<-time.After(time.Hour)
		require.Equal(t, stalls, m.Totals().Received.Stalled)
	})
}

func TestMeterCountsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m wsstream.Meter
		d := wstest.Pair(t, &wstest.PairOptions{Dial: &wsstream.DialOptions{Meter: &m}})
		require.NoError(t, d.Client.Writable().Write(t.Context(), wsstream.Text("x")))
		require.EqualValues(t, 1, m.Totals().Sent.Bytes)
	})
}

func TestMeterIgnoresFailedHandshakes(t *testing.T) {
	near, far := pipes.TCP(t, 0)
	var m wsstream.Meter
	conn := dialOver(t, near, &wsstream.DialOptions{Meter: &m})
	far.Close()
	notOpened(t, conn)
	require.Equal(t, wsstream.Totals{}, m.Totals())
}

func TestMeterCountsWhatIsPulledAfterTheEnd(t *testing.T) {
	for name, pull := range map[string]func(t *testing.T, e *end){
		"Pull": func(t *testing.T, e *end) { e.pull(t) },
		"NextMessage": func(t *testing.T, e *end) {
			r, err := e.conn.Readable().NextMessage(patient(t))
			require.NoError(t, err)
			for err == nil {
				_, err = r.Read(make([]byte, 100))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(wsstream.Meter)
			onEveryPath(t, config{Meter: m}, func(t *testing.T, e *end) {
				before := m.Totals()
				e.peer.Send(wstest.Text("one"), wstest.Text("three"), wstest.Close(1000, ""))
				e.peer.WantClose("the answer", 1000)
				e.peer.Close()
				_, err := e.closed(t)
				require.NoError(t, err)
				now := m.Totals()
				require.Equal(t, before.Clean+1, now.Clean)
				require.Equal(t, counts(before.Received), counts(now.Received))
				pull(t, e)
				require.EqualValues(t, 3, m.Totals().Received.Bytes-before.Received.Bytes)
				pull(t, e)
				now = m.Totals()
				require.EqualValues(t, 2, now.Received.Messages-before.Received.Messages)
				require.EqualValues(t, 8, now.Received.Bytes-before.Received.Bytes)
			})
		})
	}
}

func TestMeterKeepsNoEndedConnAlive(t *testing.T) {
	var m wsstream.Meter
	ended := func() weak.Pointer[wsstream.Conn] {
		near, far := pipes.TCP(t, 0)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", config{Meter: &m}.dial(near))
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ServeHandshake()
		peer.Send(wstest.Text("unread"), wstest.Close(1000, ""))
		peer.WantClose("the answer", 1000)
		peer.Close()
		_, err := conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		return weak.Make(conn)
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		return ended.Value() == nil
	}, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 1, m.Totals().Clean)
}

func TestMeterTotalsNeverFall(t *testing.T) {
	var m wsstream.Meter
	const connections, messages = 30, 20
	done := make(chan struct{})
	var asking, working sync.WaitGroup
	asking.Go(func() {
		var last wsstream.Totals
		for {
			now := m.Totals()
			for _, fell := range []bool{
				now.Opened < last.Opened, now.Clean < last.Clean, now.Unclean < last.Unclean,
				now.Received.Messages < last.Received.Messages, now.Received.Bytes < last.Received.Bytes,
				now.Received.Stalled < last.Received.Stalled, now.Sent.Messages < last.Sent.Messages,
				now.Sent.Bytes < last.Sent.Bytes, now.Sent.Stalled < last.Sent.Stalled,
				now.Received.HeldMax < last.Received.HeldMax, now.Opened != now.Open+now.Clean+now.Unclean,
			} {
				if fell {
					t.Errorf("after %+v it was %+v", last, now)
					return
				}
			}
			last = now
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for range 3 {
		working.Go(func() {
			for range connections / 3 {
				d := wstest.Pair(t, &wstest.PairOptions{Accept: &wsstream.AcceptOptions{Meter: &m}})
				for range messages {
					if err := d.Client.Writable().Write(t.Context(), wsstream.Text("12345")); err != nil {
						t.Error(err)
					}
				}
				if err := d.Client.Close(wsstream.CloseInfo{Code: 1000}); err != nil {
					t.Error(err)
				}
				for _, err := range d.Server.Readable().All(t.Context()) {
					if err != nil {
						t.Error(err)
					}
				}
				// By then it is counted; at the Pull's EOF it may not be.
				if _, err := d.Server.Closed().Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	close(done)
	asking.Wait()
	now := m.Totals()
	require.EqualValues(t, connections, now.Clean)
	require.EqualValues(t, connections*messages, now.Received.Messages)
	require.EqualValues(t, connections*messages*5, now.Received.Bytes)
}

func TestMeterAndLoggerTellRefusals(t *testing.T) {
	for _, tc := range []struct {
		extra  string
		status int
	}{
		{"Upgrade: tea", 426},
		{"Origin: https://evil.test", 403},
		{"Sec-WebSocket-Key: x", 400},
	} {
		t.Run(tc.extra, func(t *testing.T) {
			var m wsstream.Meter
			var log bytes.Buffer
			var logging sync.Mutex
			o := &wsstream.AcceptOptions{
				Meter: &m,
				Logger: slog.New(
					slog.NewJSONHandler(&locked{&logging, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}
			var asked int64
			onEveryService(t, o, func(t *testing.T, s service) {
				log.Reset()
				_, err := s.ask(t, wstest.UpgradeRequest("/feed?a=b", tc.extra))
				asked++
				require.Equal(t, map[int]int64{tc.status: asked}, m.Totals().Refused)
				require.Zero(t, m.Totals().Opened)
				logging.Lock()
				defer logging.Unlock()
				var record map[string]any
				require.NoError(t, json.Unmarshal(log.Bytes(), &record), "one record: %s", log.String())
				require.Equal(t, "DEBUG", record["level"])
				require.Equal(t, "wsstream: handshake refused", record["msg"])
				require.EqualValues(t, tc.status, record["status"])
				require.Equal(t, err.Error(), record["error"])
				require.Equal(t, "ws://example.org/feed?a=b", record["url"])
				require.NotEmpty(t, record["remote"])
			})
		})
	}
}

// A locked Writer may be used from any goroutine.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestMeterCountsEveryRefusalByStatus(t *testing.T) {
	var m wsstream.Meter
	refuse := func(o wsstream.AcceptOptions, raw string) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			o.Meter = &m
			accepted := goAccept(t, near, &o)
			peer := wstest.NewPeer(t, far, wstest.AsClient)
			peer.SendRaw([]byte(raw))
			peer.ReadResponse()
			peer.Close()
			<-accepted
		})
	}
	refuse(wsstream.AcceptOptions{}, "GET / HTTP/1.1\r\nno colon\r\n")
	refuse(wsstream.AcceptOptions{}, "GET / HTTP/1.1\r\n")
	refuse(wsstream.AcceptOptions{MaxHandshakeSize: 10}, string(wstest.UpgradeRequest("/")))
	refuse(wsstream.AcceptOptions{}, "POST / HTTP/1.1\r\n\r\n")
	refuse(wsstream.AcceptOptions{}, "GET / HTTP/1.0\r\n\r\n")
	var a wsstream.Acceptor
	a.Options.Meter = &m
	require.NoError(t, a.Shutdown(t.Context()))
	w := httptest.NewRecorder()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wstest.UpgradeRequest("/"))))
	require.NoError(t, err)
	_, err = a.Accept(w, r)
	require.Error(t, err)
	_, err = wsstream.Accept(w, r, &wsstream.AcceptOptions{Meter: &m})
	require.ErrorContains(t, err, "hijacked")
	require.Equal(t, map[int]int64{400: 1, 408: 1, 431: 1, 405: 1, 505: 1, 503: 1, 500: 1},
		m.Totals().Refused)
}

func TestMeterCountsEndsByCode(t *testing.T) {
	var m wsstream.Meter
	ends := map[wsstream.End]int64{}
	for _, tc := range []struct {
		end  wsstream.End
		with func(e *end)
	}{
		{wsstream.End{Code: "1000", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(1000, "")) }},
		{
			wsstream.End{Code: "1001", Clean: true},
			func(e *end) { e.peer.Send(wstest.Close(1001, "left")) },
		},
		{wsstream.End{Code: "1014", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(1014, "")) }},
		{wsstream.End{Code: "3xxx", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(3000, "")) }},
		{wsstream.End{Code: "3xxx", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(3999, "")) }},
		{wsstream.End{Code: "4xxx", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(4999, "")) }},
		{wsstream.End{Code: "1005", Clean: true}, func(e *end) { e.peer.Send(wstest.CloseEmpty()) }},
		{wsstream.End{Code: "1006"}, func(*end) {}},
		{wsstream.End{Code: "1006"}, func(e *end) { e.conn.CloseNow() }},
	} {
		onEveryPath(t, config{Meter: &m}, func(t *testing.T, e *end) {
			tc.with(e)
			e.peer.CloseWrite()
			info, err := e.closed(t)
			require.Equal(t, tc.end.Clean, err == nil, "%v %v", info, err)
			ends[tc.end]++
			require.Equal(t, ends, m.Totals().Ends)
		})
	}
}

func TestStatsCountWholeMessages(t *testing.T) {
	onEveryPath(t, config{MaxFrameSize: 100}, func(t *testing.T, e *end) {
		ctx, r, w := patient(t), e.conn.Readable(), e.conn.Writable()
		require.Equal(t, wsstream.Flow{}, e.received())

		e.peer.Send(wstest.Text("12345").Part(), wstest.Ping("not counted"),
			wstest.Cont([]byte("678"), true), wstest.Binary(nil), wstest.Text("read as a stream"),
			wstest.Text("skipped"), wstest.Text("pulled as the last"))
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
		require.Equal(t, "pulled as the last", e.pull(t))
		require.Equal(t, wsstream.Flow{Messages: 4, Bytes: 8 + 16 + 18}, e.received(),
			"what was skipped is not counted")

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
		require.Equal(t, wsstream.Flow{Messages: 4, Bytes: 250 + 4 + 8 + 15}, e.sent(),
			"what was not accepted is not counted")
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

// TestStatsTellStallsOfEveryWayToWrite: the time without credit is as long as the peer takes
// nothing.
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
		"NewMessage, large pieces": func(ctx context.Context, w writable) error {
			return message(ctx, w, 3000)
		},
		"NewMessage, small pieces": func(ctx context.Context, w writable) error {
			return message(ctx, w, 130)
		},
	} {
		for _, compression := range []*wsstream.CompressionOptions{nil, {Threshold: -1}} {
			t.Run(fmt.Sprint(name, ", compressed ", compression != nil), func(t *testing.T) {
				var told time.Duration
				trace := &wsstream.Trace{
					StallEnded: func(_ *wsstream.Conn, d wsstream.Direction, took time.Duration) {
						if d == wsstream.Outbound {
							told += took
						}
					},
				}
				c := config{
					WriteWindow:  1000,
					MaxFrameSize: 300,
					Limit:        100,
					Compression:  compression,
					Trace:        trace,
				}
				if compression != nil {
					c.Extensions = "permessage-deflate"
				}
				inBubble(t, c, func(t *testing.T, e *end) {
					told = 0
					e.net.(*memnet.Conn).Stall(true)
					wrote := goErr(func() error {
						return write(patient(t), e.conn.Writable())
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
			// Never when the timer of the background reader fires, at a multiple of 5 ms: the gate
			// would be taken then.
			<-time.After(time.Millisecond + time.Microsecond)
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
