package wsstream_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A failure is one event of the table on a connection whose handshake is not done.
type failure struct {
	event string
	url   string // empty: a good one
	opts  wsstream.DialOptions
	fail  func(d *dialling)
	check func(t *testing.T, err error) // what all calls and both futures give
}

var failures = []failure{{
	event: "the handshake fails",
	fail: func(d *dialling) {
		d.peer.SendRaw([]byte("HTTP/1.1 403 Forbidden\r\nX-Why: you\r\nContent-Length: 5\r\n\r\nnever"))
	},
	check: func(t *testing.T, err error) {
		require.IsType(t, &wsstream.HandshakeError{}, err)
		he := err.(*wsstream.HandshakeError)
		require.Equal(t, http.StatusForbidden, he.Status)
		require.Equal(t, "you", he.Header.Get("X-Why"))
		require.Equal(t, "never", string(he.Body))
	},
}, {
	event: "the server drops the transport",
	fail:  func(d *dialling) { d.peer.Close() },
	check: func(t *testing.T, err error) { require.IsType(t, &wsstream.HandshakeError{}, err) },
}, {
	event: "the URL is bad",
	url:   "ws://example.test/#",
	check: plain("URL"),
}, {
	event: "an option is bad",
	opts:  wsstream.DialOptions{WriteWindow: 1},
	check: plain("WriteWindow"),
}, {
	event: "Close",
	fail: func(d *dialling) {
		require.Error(d.t, d.conn.Close(wsstream.CloseInfo{Code: 999}))
		_, err, settled := d.conn.Opened().Peek()
		require.False(d.t, settled, "a Close that fails changes nothing, yet Opened has settled: %v", err)
		require.NoError(d.t, d.conn.Close(wsstream.CloseInfo{Code: 1000, Reason: "first"}))
		require.NoError(d.t, d.conn.Close(wsstream.CloseInfo{Code: 3000}))
	},
	check: abandoned,
}, {
	event: "CloseNow",
	fail:  func(d *dialling) { d.conn.CloseNow() },
	check: abandoned,
}, {
	event: "Shutdown",
	fail:  func(d *dialling) { abandoned(d.t, d.conn.Shutdown(patient(d.t), wsstream.CloseInfo{})) },
	check: abandoned,
}, {
	event: "Readable.Cancel",
	fail:  func(d *dialling) { require.NoError(d.t, d.conn.Readable().Cancel(nil)) },
	check: abandoned,
}, {
	event: "Writable.Abort",
	fail:  func(d *dialling) { require.NoError(d.t, d.conn.Writable().Abort(errWhy)) },
	check: func(t *testing.T, err error) {
		abandoned(t, err)
		require.ErrorIs(t, err, errWhy)
	},
}, {
	event: "the end of Dial's context",
	fail:  func(d *dialling) { d.cancel(errWhy) },
	check: func(t *testing.T, err error) { require.Equal(t, errWhy, err) },
}}

func TestDialFailureIsTheErrorOfEveryCallAndFuture(t *testing.T) {
	calls := map[string]func(*dialling) error{
		"Pull":           func(d *dialling) error { _, err := d.conn.Readable().Pull(d.ctx); return err },
		"Write":          func(d *dialling) error { return d.conn.Writable().Write(d.ctx, wsstream.Text("x")) },
		"Closed":         func(d *dialling) error { _, err := d.conn.Closed().Wait(d.ctx); return err },
		"Opened":         func(d *dialling) error { _, err := d.conn.Opened().Wait(d.ctx); return err },
		"NextMessage":    func(d *dialling) error { _, err := d.conn.Readable().NextMessage(d.ctx); return err },
		"NewMessage":     func(d *dialling) error { _, err := d.conn.Writable().NewMessage(d.ctx, wsstream.TypeText); return err },
		"Ready":          func(d *dialling) error { return d.conn.Writable().Ready(d.ctx) },
		"Flush":          func(d *dialling) error { return d.conn.Writable().Flush(d.ctx) },
		"Writable.Close": func(d *dialling) error { return d.conn.Writable().Close(d.ctx) },
	}
	for _, f := range failures {
		for what, call := range calls {
			t.Run(f.event+"/"+what, func(t *testing.T) {
				whileDialling(t, f, func(d *dialling) {
					before := goDo(func() (wsstream.Message, error) { return wsstream.Message{}, call(d) })
					d.quiet()
					if f.fail != nil {
						f.fail(d)
					}
					err := (<-before).err
					f.check(t, err)
					require.Equal(t, err, call(d))
					require.Zero(t, d.conn.Writable().DesiredSize())
					<-d.conn.Readable().Done()
					<-d.conn.Writable().Done()
				})
			})
		}
	}
}

// plain wants an error of no type of ours, that says name.
func plain(name string) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		require.ErrorContains(t, err, name)
		_, ok := errors.AsType[*wsstream.HandshakeError](err)
		require.False(t, ok)
		_, ok = errors.AsType[*wsstream.Error](err)
		require.False(t, ok)
	}
}

func abandoned(t *testing.T, err error) {
	require.IsType(t, &wsstream.Error{}, err)
	require.Equal(t, 1006, err.(*wsstream.Error).Code)
}

// A dialling is a Conn whose handshake waits for the peer's answer.
type dialling struct {
	t      *testing.T
	ctx    context.Context // of calls
	conn   *wsstream.Conn
	peer   *wstest.Peer
	cancel context.CancelCauseFunc // of Dial's context
	mem    bool
}

func (d *dialling) quiet() { (&end{mem: d.mem}).quiet() }

// whileDialling runs f while a handshake waits, in memory under synctest and over TCP.
func whileDialling(t *testing.T, f failure, test func(*dialling)) {
	dial := func(t *testing.T, near, far net.Conn) *dialling {
		t.Cleanup(func() { near.Close() })
		d := &dialling{t: t, ctx: patient(t), peer: wstest.NewPeer(t, far, wstest.AsServer)}
		ctx, cancel := context.WithCancelCause(t.Context())
		d.cancel = cancel
		bad := f.fail == nil
		f.opts.NetDial = func(context.Context, string, string) (net.Conn, error) {
			if bad {
				t.Error("something was dialled")
			}
			return near, nil
		}
		if f.url == "" {
			f.url = "ws://example.test/"
		}
		d.conn = wsstream.Dial(ctx, f.url, &f.opts)
		if !bad {
			d.peer.ReadRequest()
		}
		return d
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			d := dial(t, near, far)
			d.mem = true
			test(d)
			synctest.Wait()
			require.Equal(t, f.fail != nil, near.Closed(), "the transport of a handshake that failed is closed")
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := tcpPipe(t, 0)
		test(dial(t, near, far))
	})
}
