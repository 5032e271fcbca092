package wsstream_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
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
		require.Equal(t, counts(before.Received), counts(now.Received), "what was not pulled is not counted")
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
				if _, err := d.Server.Closed().Wait(t.Context()); err != nil { // by then it is counted; at the Pull's EOF it may not be
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
			o := &wsstream.AcceptOptions{Meter: &m, Logger: slog.New(slog.NewJSONHandler(&locked{&logging, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))}
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
	require.Equal(t, map[int]int64{400: 1, 408: 1, 431: 1, 405: 1, 505: 1, 503: 1, 500: 1}, m.Totals().Refused)
}

func TestMeterCountsEndsByCode(t *testing.T) {
	var m wsstream.Meter
	ends := map[wsstream.End]int64{}
	for _, tc := range []struct {
		end  wsstream.End
		with func(e *end)
	}{
		{wsstream.End{Code: "1000", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(1000, "")) }},
		{wsstream.End{Code: "1001", Clean: true}, func(e *end) { e.peer.Send(wstest.Close(1001, "left")) }},
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
