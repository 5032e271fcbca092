package wsstream_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A record is a Trace that writes down what it is told.
type record struct {
	mu     sync.Mutex
	lines  []string
	conns  map[*wsstream.Conn]bool // those that hooks were told of
	began  [3]int                  // stalls by direction, not among the lines
	ended  [3]int
	stall  [3]time.Duration
	shaken chan error // gets what a handshake's end is told
	closed chan error // gets what Closed is told
}

func newRecord() *record {
	return &record{
		conns:  map[*wsstream.Conn]bool{},
		shaken: make(chan error, 2),
		closed: make(chan error, 2),
	}
}

func (r *record) add(c *wsstream.Conn, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
	r.conns[c] = true
}

// take returns what was written down since it was called last.
func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *record) stalls(d wsstream.Direction) (began, ended int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began[d], r.ended[d], r.stall[d]
}

func (r *record) trace() *wsstream.Trace {
	return &wsstream.Trace{
		Handshake: func(client bool) func(*wsstream.Conn, wsstream.Opened, error) {
			r.add(nil, "handshake, client: %v", client)
			return func(c *wsstream.Conn, o wsstream.Opened, err error) {
				r.add(c, "done, header: %v, readable: %v, error: %v", o.Header != nil, o.Readable != nil, err)
				r.shaken <- err
			}
		},
		MessageIn: func(c *wsstream.Conn, t wsstream.Type, n int64) {
			r.add(c, "in: %v, %d bytes", t, n)
		},
		MessageOut: func(c *wsstream.Conn, t wsstream.Type, n int64) {
			r.add(c, "out: %v, %d bytes", t, n)
		},
		StallBegan: func(_ *wsstream.Conn, d wsstream.Direction) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.began[d]++
		},
		StallEnded: func(_ *wsstream.Conn, d wsstream.Direction, took time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ended[d]++
			r.stall[d] += took
		},
		Closed: func(c *wsstream.Conn, info wsstream.CloseInfo, err error) {
			r.add(c, "closed: %v, error: %v", info, err)
			r.closed <- err
		},
	}
}

// onPathsOpenedBy runs f on every path, with what opens a Conn on it: hooks of a bubble are made
// inside of it.
func onPathsOpenedBy(t *testing.T, f func(t *testing.T, open func(c config) *end)) {
	for _, client := range []bool{true, false} {
		role := map[bool]string{true: "client", false: "server"}[client]
		t.Run("memory/"+role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, func(c config) *end { return inMemory(t, c, client) })
			})
		})
		t.Run("tcp/"+role, func(t *testing.T) {
			f(t, func(c config) *end { return overTCP(t, c, client) })
		})
	}
}

// recorded runs f on every path, with a record of what the Conn's Trace is told.
func recorded(t *testing.T, c config, f func(t *testing.T, e *end, r *record)) {
	onPathsOpenedBy(t, func(t *testing.T, open func(c config) *end) {
		r := newRecord()
		c := c
		c.Trace = r.trace()
		f(t, open(c), r)
	})
}

func TestTraceTellsEverything(t *testing.T) {
	recorded(t, config{MaxFrameSize: 100}, func(t *testing.T, e *end, r *record) {
		ctx := patient(t)
		require.NoError(t, <-r.shaken)
		require.Equal(t, []string{
			fmt.Sprintf("handshake, client: %v", e.client),
			"done, header: true, readable: true, error: <nil>",
		}, r.take())

		e.peer.Send(
			wstest.Text("123").Part(),
			wstest.Ping("untold"),
			wstest.Cont([]byte("45"), true),
			wstest.Binary(nil),
			wstest.Text("ranged"),
			wstest.Binary([]byte("streamed")),
			wstest.Text("copied"),
			wstest.Text("skipped"),
			wstest.Text("last"),
		)
		e.pull(t)
		require.NoError(t, e.conn.Readable().PullInto(ctx, new(wsstream.Message)))
		for _, err := range e.conn.Readable().All(ctx) {
			require.NoError(t, err)
			break
		}
		require.Equal(t, []string{"in: text, 5 bytes", "in: binary, 0 bytes", "in: text, 6 bytes"},
			r.take())
		m, err := e.conn.Readable().NextMessage(ctx)
		require.NoError(t, err)
		_, err = io.ReadFull(m, make([]byte, 8))
		require.NoError(t, err)
		require.Empty(t, r.take(), "it may go on")
		for range 2 {
			_, err = m.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		}
		require.Equal(t, []string{"in: binary, 8 bytes"}, r.take(), "once")
		m, err = e.conn.Readable().NextMessage(ctx)
		require.NoError(t, err)
		_, err = m.WriteTo(io.Discard)
		require.NoError(t, err)
		m, err = e.conn.Readable().NextMessage(ctx)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		e.pull(t)
		require.Equal(t, []string{"in: text, 6 bytes", "in: text, 4 bytes"}, r.take(),
			"what was skipped is not told")

		w := e.conn.Writable()
		require.NoError(t, w.Write(ctx, wsstream.Binary(make([]byte, 250))))
		ok, err := w.TryWrite(wsstream.Text("four"))
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, w.Write(ctx, wsstream.Text("prepared").Prepare()))
		require.Error(t, w.Write(ctx, wsstream.Text("\xff")))
		require.Equal(t, []string{"out: binary, 250 bytes", "out: text, 4 bytes", "out: text, 8 bytes"},
			r.take())
		mw, err := w.NewMessage(ctx, wsstream.TypeText)
		require.NoError(t, err)
		for range 2 {
			_, err = mw.Write([]byte("piece"))
			require.NoError(t, err)
		}
		ok, err = w.TryWrite(wsstream.Text("no turn"))
		require.NoError(t, err)
		require.False(t, ok)
		require.Empty(t, r.take())
		require.NoError(t, mw.Close())
		require.Error(t, mw.Close())
		require.Equal(t, []string{"out: text, 10 bytes"}, r.take(), "once")

		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		for f := (wstest.Frame{}); f.String() != wstest.Close(1000, "").String(); {
			f, err = e.peer.Next()
			require.NoError(t, err)
		}
		e.peer.Send(wstest.Close(4001, "bye"))
		e.peer.Close()
		_, err = e.closed(t)
		require.NoError(t, err)
		require.NoError(t, <-r.closed)
		require.Equal(t, []string{`closed: 4001 "bye", error: <nil>`}, r.take())
		delete(r.conns, nil)
		require.Equal(t, map[*wsstream.Conn]bool{e.conn: true}, r.conns)
	})
}

func TestTraceTellsAnUncleanEnd(t *testing.T) {
	recorded(t, config{}, func(t *testing.T, e *end, r *record) {
		e.peer.Close()
		_, err := e.closed(t)
		require.Error(t, err)
		require.Equal(t, err, <-r.closed)
	})
}

// untilItFails returns a Trace that gives what failed handshakes are told.
func untilItFails() (*wsstream.Trace, <-chan failedShake) {
	failed := make(chan failedShake, 1)
	return &wsstream.Trace{
		Handshake: func(bool) func(*wsstream.Conn, wsstream.Opened, error) {
			return func(c *wsstream.Conn, o wsstream.Opened, err error) { failed <- failedShake{c, o, err} }
		},
		Closed: func(*wsstream.Conn, wsstream.CloseInfo, error) {
			failed <- failedShake{err: errors.New("it never opened")}
		},
	}, failed
}

type failedShake struct {
	conn   *wsstream.Conn
	opened wsstream.Opened
	err    error
}

func TestTraceTellsFailedHandshakes(t *testing.T) {
	t.Run("Dial", func(t *testing.T) {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			trace, failed := untilItFails()
			conn := dialOver(t, near, &wsstream.DialOptions{Trace: trace})
			peer := wstest.NewPeer(t, far, wstest.AsServer)
			peer.ReadRequest()
			peer.SendRaw([]byte("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"))
			err := notOpened(t, conn)
			require.Equal(t, failedShake{conn: conn, err: err}, <-failed)
		})
	})
	t.Run("Dial that is abandoned", func(t *testing.T) {
		onBothPaths(t, func(t *testing.T, near, _ net.Conn) {
			trace, failed := untilItFails()
			conn := dialOver(t, near, &wsstream.DialOptions{Trace: trace})
			conn.CloseNow()
			err := notOpened(t, conn)
			require.Equal(t, failedShake{conn: conn, err: err}, <-failed,
				"the first error, as Opened has it")
		})
	})
	t.Run("Accept", func(t *testing.T) {
		trace, failed := untilItFails()
		_, err := wsstream.Accept(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil),
			&wsstream.AcceptOptions{Trace: trace})
		require.Error(t, err)
		require.Equal(t, failedShake{err: err}, <-failed)
	})
	t.Run("AcceptConn", func(t *testing.T) {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			trace, failed := untilItFails()
			far.Close()
			_, err := wsstream.AcceptConn(t.Context(), near, &wsstream.AcceptOptions{Trace: trace})
			require.Error(t, err)
			require.Equal(t, failedShake{err: err}, <-failed)
		})
	})
}

func TestTraceTellsNoHandshakeForBadOptions(t *testing.T) {
	trace := &wsstream.Trace{Handshake: func(bool) func(*wsstream.Conn, wsstream.Opened, error) {
		t.Error("a handshake has started")
		return nil
	}}
	bad := &wsstream.AcceptOptions{Trace: trace, ReadWindow: 1}
	notOpened(
		t,
		wsstream.Dial(
			t.Context(),
			"ws://example.test/",
			&wsstream.DialOptions{Trace: trace, ReadWindow: 1},
		),
	)
	notOpened(t, wsstream.Dial(t.Context(), "example.test", &wsstream.DialOptions{Trace: trace}))
	_, err := wsstream.Accept(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil),
		bad)
	require.Error(t, err)
	near, _ := memnet.Pipe(0)
	_, err = wsstream.AcceptConn(t.Context(), near, bad)
	require.Error(t, err)
}

func TestTraceMayHaveNoHooks(t *testing.T) {
	trace := &wsstream.Trace{
		Handshake: func(bool) func(*wsstream.Conn, wsstream.Opened, error) { return nil },
	}
	for _, trace := range []*wsstream.Trace{trace, {}} {
		c := config{Trace: trace, ReadWindow: 256, WriteWindow: 256}
		onEveryPath(t, c, func(t *testing.T, e *end) {
			flooded := flood(e, 2, 800)
			wrote := goWrite(t, e, wsstream.Binary(make([]byte, 800)))
			require.Len(t, e.pull(t), 800)
			require.Len(t, e.pull(t), 800)
			require.NoError(t, <-flooded)
			require.Len(t, readMessage(t, e), 800)
			require.NoError(t, (<-wrote).err)
		})
	}
}

func TestTraceTellsStalls(t *testing.T) {
	c := config{ReadWindow: 1000, WriteWindow: 1000, Limit: 100}
	recorded(t, c, func(t *testing.T, e *end, r *record) {
		if !e.mem {
			return // in memory it is known when a transport is full
		}
		e.net.(*memnet.Conn).Stall(true)
		written := goWrite(t, e, wsstream.Binary(make([]byte, 2000)))
		synctest.Wait()
		<-time.After(3 * time.Second)
		began, ended, _ := r.stalls(wsstream.Outbound)
		require.Equal(t, []int{1, 0}, []int{began, ended}, "it is told while it lasts")
		e.net.(*memnet.Conn).Stall(false)
		require.Len(t, readMessage(t, e), 2000)
		require.NoError(t, (<-written).err)
		synctest.Wait()
		began, ended, took := r.stalls(wsstream.Outbound)
		require.Equal(t, began, ended)
		require.Equal(t, 3*time.Second, took)
		require.Equal(t, e.conn.Stats().Sent.Stalled, took)
		began, _, _ = r.stalls(wsstream.Inbound)
		require.Zero(t, began)

		sent := flood(e, 2, 800)
		e.notice()
		<-time.After(5 * time.Second)
		began, ended, _ = r.stalls(wsstream.Inbound)
		require.Equal(t, 1, began-ended, "no call pulls")
		for range 2 {
			require.Len(t, e.pull(t), 800)
		}
		require.NoError(t, <-sent)
		began, ended, took = r.stalls(wsstream.Inbound)
		require.Equal(t, began, ended)
		require.Equal(t, e.conn.Stats().Received.Stalled, took)
		require.Greater(t, took, 4*time.Second)
	})
}

func TestTraceEndsStallsWithTheConnection(t *testing.T) {
	c := config{ReadWindow: 256, WriteWindow: 256, Limit: 100}
	recorded(t, c, func(t *testing.T, e *end, r *record) {
		if !e.mem {
			return
		}
		flooded := flood(e, 1, 800)
		written := goWrite(t, e, wsstream.Binary(make([]byte, 800)))
		e.notice()
		for _, d := range []wsstream.Direction{wsstream.Inbound, wsstream.Outbound} {
			began, ended, _ := r.stalls(d)
			require.Equal(t, 1, began-ended, "%v", d)
		}
		e.conn.CloseNow()
		<-r.closed
		synctest.Wait()
		for _, d := range []wsstream.Direction{wsstream.Inbound, wsstream.Outbound} {
			began, ended, _ := r.stalls(d)
			require.Equal(t, began, ended, "%v", d)
		}
		require.Error(t, (<-written).err)
		require.Error(t, <-flooded)
	})
}

func TestTraceHooksMayCallTheConn(t *testing.T) {
	meter := new(wsstream.Meter)
	for name, call := range map[string]func(c *wsstream.Conn){
		"Stats":    func(c *wsstream.Conn) { c.Stats() },
		"Totals":   func(*wsstream.Conn) { meter.Totals() },
		"TryWrite": func(c *wsstream.Conn) { _, _ = c.Writable().TryWrite(wsstream.Text("")) },
		"Discard":  func(c *wsstream.Conn) { c.Readable().Discard() },
		"Close":    func(c *wsstream.Conn) { _ = c.Close(wsstream.CloseInfo{Code: 1000}) },
		"CloseNow": func(c *wsstream.Conn) { c.CloseNow() },
		"Cancel":   func(c *wsstream.Conn) { _ = c.Readable().Cancel(nil) },
		"Abort":    func(c *wsstream.Conn) { _ = c.Writable().Abort(nil) },
	} {
		for _, hook := range []string{"handshake", "in", "out", "closed"} {
			t.Run(name+"/"+hook, func(t *testing.T) {
				onPathsOpenedBy(t, func(t *testing.T, open func(c config) *end) {
					called := make(chan struct{})
					now := func(c *wsstream.Conn, where string) {
						if where != hook {
							return
						}
						select {
						case <-called: // what a hook does may be traced itself
						default:
							close(called)
							call(c)
						}
					}
					e := open(config{Meter: meter, Trace: &wsstream.Trace{
						Handshake: func(bool) func(*wsstream.Conn, wsstream.Opened, error) {
							return func(c *wsstream.Conn, _ wsstream.Opened, _ error) { now(c, "handshake") }
						},
						MessageIn:  func(c *wsstream.Conn, _ wsstream.Type, _ int64) { now(c, "in") },
						MessageOut: func(c *wsstream.Conn, _ wsstream.Type, _ int64) { now(c, "out") },
						Closed:     func(c *wsstream.Conn, _ wsstream.CloseInfo, _ error) { now(c, "closed") },
					}})
					switch hook {
					case "in":
						e.peer.Send(wstest.Text("x"))
						e.pull(t)
					case "out":
						require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
					case "closed":
						e.conn.CloseNow()
					}
					<-called
				})
			})
		}
	}
}

func TestTraceStallHooksMayReadAddresses(t *testing.T) {
	var told sync.Map
	note := func(c *wsstream.Conn, d wsstream.Direction) {
		told.Store(fmt.Sprint(d, c.URL() != "", c.LocalAddr() != nil, c.RemoteAddr() != nil), nil)
	}
	trace := &wsstream.Trace{
		StallBegan: note,
		StallEnded: func(c *wsstream.Conn, d wsstream.Direction, _ time.Duration) { note(c, d) },
	}
	onEveryPath(
		t,
		config{Trace: trace, ReadWindow: 256, WriteWindow: 256, Limit: 4 << 10},
		func(t *testing.T, e *end) {
			told.Clear()
			flooded := flood(e, 3, 8000)
			for range 3 {
				require.Len(t, e.pull(t), 8000)
			}
			require.NoError(t, <-flooded)
			wrote := goWrite(t, e, wsstream.Binary(make([]byte, 24_000)))
			require.Len(t, readMessage(t, e), 24_000)
			require.NoError(t, (<-wrote).err)
			for _, d := range []wsstream.Direction{wsstream.Inbound, wsstream.Outbound} {
				_, ok := told.Load(fmt.Sprint(d, true, true, true))
				require.True(t, ok, "%v", d)
			}
		},
	)
}

func TestDirectionString(t *testing.T) {
	require.Equal(t, "inbound outbound Direction(0)",
		fmt.Sprint(wsstream.Inbound, " ", wsstream.Outbound, " ", wsstream.Direction(0)))
}
