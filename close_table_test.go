package wsstream_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// A row is one event of the table of ends in the package documentation, on an open connection.
type row struct {
	event   string
	config  config
	backlog bool                          // there are accepted messages that the peer does not read
	pulling bool                          // the event needs a Pull that waits
	happen  func(t *testing.T, e *end)    // the event, and the peer's part from there to the end
	pull    []string                      // what can be pulled in the end
	then    func(*testing.T, *end, error) // what Pull returns after that
	write   func(*testing.T, *end, error) // what Write returns
	waiting func(*testing.T, *end, error) // what a Write returns that waited before; nil: as write
	closed  func(*testing.T, *end, error) // the error that Closed gives
	info    wsstream.CloseInfo            // what Closed gives where there is no error
}

var table = []row{{
	event: "the peer closes",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Close(3001, "bye"))
		e.notice()
		e.wantClose(t, wstest.Close(3001, ""))
		e.drop(t)
	},
	pull:   []string{"one", "two", "last"},
	then:   told(3001, "bye"),
	write:  told(3001, "bye"),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 3001, Reason: "bye"},
}, {
	event: "the peer closes with 1000",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Close(1000, "bye"))
		e.notice()
		e.wantClose(t, wstest.Close(1000, ""))
		e.drop(t)
	},
	pull:   []string{"one", "two", "last"},
	then:   is(io.EOF),
	write:  is(wsstream.ErrClosed),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 1000, Reason: "bye"},
}, {
	event: "the peer closes with 1000 between the frames of a message",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("half").Part(), wstest.Close(1000, "bye"))
		e.notice()
		e.wantClose(t, wstest.Close(1000, ""))
		e.drop(t)
	},
	pull:   []string{"one", "two"},
	then:   torn(1000),
	write:  torn(1000),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 1000, Reason: "bye"},
}, {
	event: "the peer closes without a code",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.CloseEmpty())
		e.notice()
		e.wantClose(t, wstest.CloseEmpty())
		e.drop(t)
	},
	pull:   []string{"one", "two"},
	then:   is(io.EOF),
	write:  is(wsstream.ErrClosed),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 1005},
}, {
	event:   "the peer closes and accepted data cannot be sent",
	config:  config{CloseTimeout: 20 * time.Millisecond},
	backlog: true,
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Close(3001, "bye"))
	},
	pull:   []string{"one", "two", "last"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(3001, "accepted could not be sent"),
}, {
	event: "we close",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3002, Reason: "done"}))
		e.wantClose(t, wstest.Close(3002, "done"))
		e.peer.Send(wstest.Text("late"), wstest.Close(3003, "too"))
		e.drop(t)
	},
	pull:   []string{"one", "two", "late"},
	then:   told(3003, "too"),
	write:  is(wsstream.ErrClosed),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 3003, Reason: "too"},
}, {
	event: "we close and the peer agrees",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3002, Reason: "done"}))
		e.wantClose(t, wstest.Close(3002, "done"))
		e.peer.Send(wstest.Text("late"), wstest.Text("half").Part(), wstest.Close(3002, "done"))
		e.drop(t)
	},
	pull:   []string{"one", "two", "late"},
	then:   is(io.EOF),
	write:  is(wsstream.ErrClosed),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 3002, Reason: "done"},
}, {
	event: "we close and the peer drops the transport",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.wantClose(t, wstest.Close(1000, ""))
		e.peer.Send(wstest.Text("late"))
		e.peer.Close()
	},
	pull:   []string{"one", "two", "late"},
	then:   theEnd,
	write:  is(wsstream.ErrClosed),
	closed: unclean(1006, "EOF"),
}, {
	event:  "we close and the peer does nothing",
	config: config{CloseTimeout: 20 * time.Millisecond},
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
	},
	pull:   []string{"one", "two"},
	then:   theEnd,
	write:  is(wsstream.ErrClosed),
	closed: unclean(1006, "CloseTimeout"),
}, {
	event:  "the transport ends",
	happen: func(_ *testing.T, e *end) { e.peer.Close() },
	pull:   []string{"one", "two"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1006, ""),
}, {
	event:  "the transport is reset",
	happen: func(_ *testing.T, e *end) { e.peer.Cut() },
	pull:   []string{"one", "two"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1006, "reset"),
}, {
	event: "the peer breaks the protocol and answers our Close",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Frame{Fin: true, Op: 3})
		e.notice()
		e.wantFailure(t, 1002)
		e.peer.Send(wstest.Close(1002, "mine"))
		e.peer.Close()
	},
	pull:   []string{"one", "two", "last"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1006, "1002"), // the scan stops at the broken frame: no later Close is seen
}, {
	event: "the peer breaks the protocol and drops the transport",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Frame{Fin: true, Op: wstest.OpText, WrongMask: true})
		e.notice()
		e.wantFailure(t, 1002)
		e.peer.Close()
	},
	pull:   []string{"one", "two"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1006, "1002"),
}, {
	event:   "the peer sends bad UTF-8",
	pulling: true,
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Text("\xff"), wstest.Text("beyond"))
		e.notice()
		e.wantFailure(t, 1007)
		e.peer.Send(wstest.Close(1007, "mine"))
		e.peer.Close()
	},
	pull:   []string{"one", "two", "last"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1007, "UTF-8", "1007"),
}, {
	event:   "the peer exceeds MaxMessageSize",
	config:  config{MaxMessageSize: 4},
	pulling: true,
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Text("large"), wstest.Text("over"))
		e.notice()
		e.wantFailure(t, 1009)
		e.peer.Close()
	},
	pull:   []string{"one", "two", "last"},
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1006, "MaxMessageSize", "1009"),
}, {
	event: "Writable.Close",
	happen: func(t *testing.T, e *end) {
		ended := goErr(func() error {
			return e.conn.Writable().Close(patient(t))
		})
		e.wantClose(t, wstest.Close(1000, ""))
		e.peer.Send(wstest.Text("late"), wstest.CloseEmpty())
		e.drop(t)
		require.NoError(t, (<-ended).err)
	},
	pull:    []string{"one", "two", "late"},
	then:    is(io.EOF),
	write:   is(wsstream.ErrClosed),
	waiting: inTurn,
	closed:  is(nil),
	info:    wsstream.CloseInfo{Code: 1005},
}, {
	event: "Writable.Close and the peer says otherwise",
	happen: func(t *testing.T, e *end) {
		ended := goErr(func() error {
			return e.conn.Writable().Close(patient(t))
		})
		e.wantClose(t, wstest.Close(1000, ""))
		e.peer.Send(wstest.Close(1011, "failed"))
		e.drop(t)
		told(1011, "failed")(t, e, (<-ended).err)
	},
	pull:    []string{"one", "two"},
	then:    told(1011, "failed"),
	write:   is(wsstream.ErrClosed),
	waiting: inTurn,
	closed:  is(nil),
	info:    wsstream.CloseInfo{Code: 1011, Reason: "failed"},
}, {
	event: "Writable.Fail",
	happen: func(t *testing.T, e *end) {
		ended := goErr(func() error {
			return e.conn.Writable().Fail(patient(t), errWhy)
		})
		e.wantClose(t, wstest.Close(1011, ""))
		e.peer.Send(wstest.Text("late"), wstest.Close(1011, ""))
		e.drop(t)
		require.NoError(t, (<-ended).err)
	},
	pull:    []string{"one", "two", "late"},
	then:    is(io.EOF),
	write:   is(errWhy),
	waiting: inTurn,
	closed:  is(nil),
	info:    wsstream.CloseInfo{Code: 1011},
}, {
	event: "Writable.Abort",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		e.wantClose(t, wstest.Close(1011, ""))
		e.peer.Send(wstest.Text("late"), wstest.Close(1000, "fine"))
		e.drop(t)
	},
	pull:   []string{"one", "two", "late"},
	then:   is(io.EOF),
	write:  is(errWhy),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 1000, Reason: "fine"},
}, {
	event: "Writable.Abort and the peer says otherwise",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Abort(nil))
		e.wantClose(t, wstest.CloseEmpty())
		e.peer.Send(wstest.Close(3003, "too"))
		e.drop(t)
	},
	pull:   []string{"one", "two"},
	then:   told(3003, "too"),
	write:  is(wsstream.ErrClosed),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 3003, Reason: "too"},
}, {
	event: "Writable.Abort and the peer drops the transport",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Abort(nil))
		e.wantClose(t, wstest.CloseEmpty())
		e.peer.Close()
	},
	pull:   []string{"one", "two"},
	then:   theEnd,
	write:  is(wsstream.ErrClosed),
	closed: unclean(1006, ""),
}, {
	event: "Readable.Cancel",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Readable().Cancel(errWhy))
		e.wantClose(t, wstest.Close(1011, ""))
		e.peer.Send(wstest.Text("late"), wstest.Close(3003, "too"))
		e.drop(t)
		// Though pulls give io.EOF.
		told(3003, "too")(t, e, e.conn.Shutdown(patient(t), wsstream.CloseInfo{}))
	},
	then:   is(io.EOF),
	write:  is(wsstream.ErrClosed),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 3003, Reason: "too"},
}, {
	event: "Readable.Cancel and the peer drops the transport",
	happen: func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Readable().Cancel(nil))
		e.wantClose(t, wstest.CloseEmpty())
		e.peer.Close()
	},
	then:   is(io.EOF),
	write:  is(wsstream.ErrClosed),
	closed: unclean(1006, ""),
}, {
	event:  "IdleTimeout",
	config: config{IdleTimeout: 100 * time.Millisecond},
	happen: func(t *testing.T, e *end) {
		require.Contains(t, string(e.nextClose(t).Payload), "IdleTimeout")
		e.peer.Send(wstest.Close(1001, ""))
		e.drop(t)
	},
	pulling: true,
	pull:    []string{"one", "two"},
	then:    told(1001, "IdleTimeout"),
	write:   told(1001, "IdleTimeout"),
	waiting: inTurn,
	closed:  is(nil),
	info:    wsstream.CloseInfo{Code: 1001},
}, {
	event:  "IdleTimeout and the peer does nothing",
	config: config{IdleTimeout: 100 * time.Millisecond, CloseTimeout: 20 * time.Millisecond},
	happen: func(t *testing.T, e *end) {
		require.Contains(t, string(e.nextClose(t).Payload), "IdleTimeout")
	},
	pulling: true,
	pull:    []string{"one", "two"},
	then:    theEnd,
	write:   told(1001, "IdleTimeout"),
	waiting: inTurn,
	closed:  unclean(1006, "CloseTimeout"),
}, {
	event:  "CloseNow",
	happen: func(_ *testing.T, e *end) { e.conn.CloseNow() },
	then:   theEnd,
	write:  theEnd,
	closed: unclean(1006, "cut"),
}, {
	event: "CloseNow after the end",
	happen: func(t *testing.T, e *end) {
		e.peer.Send(wstest.Close(3001, "bye"))
		e.notice()
		e.wantClose(t, wstest.Close(3001, ""))
		e.drop(t)
		<-e.conn.Closed().Done()
		e.conn.CloseNow()
	},
	then:   told(3001, "bye"),
	write:  told(3001, "bye"),
	closed: is(nil),
	info:   wsstream.CloseInfo{Code: 3001, Reason: "bye"},
}}

// inTurn wants the Write that waited to have been sent before the close. Over TCP the close may
// have been first.
func inTurn(t *testing.T, e *end, err error) {
	if e.mem {
		require.NoError(t, err)
	}
}

// TestCloseTable: each row of the table in doc.go, "How a connection ends". Each way to receive
// gets the same.
func TestCloseTable(t *testing.T) {
	for _, r := range table {
		r.config.Limit = 64 << 10 // smaller ones make TCP creep
		r.config.WriteWindow = 256
		cell := func(what string, f func(t *testing.T, e *end)) {
			t.Run(r.event+"/"+what, func(t *testing.T) {
				t.Parallel() // over TCP each waits for its timeouts
				onEveryPath(t, r.config, f)
			})
		}
		cells := func(what string, f func(t *testing.T, e *end, w receiving)) {
			t.Run(r.event+"/"+what, func(t *testing.T) {
				t.Parallel()
				inEveryWay(t, r.config, f)
			})
		}
		cells("Receive", func(t *testing.T, e *end, w receiving) {
			e.stuff(t, r.backlog)
			e.peer.Send(wstest.Text("one"), wstest.Text("two"), wstest.Ping("have you both?"))
			if !r.backlog { // a pong would wait behind it
				e.peer.Want("they have come", wstest.Pong("have you both?"))
			}
			var all <-chan pulled
			if r.pulling {
				all = w.receive(t, e).all(t)
			}
			r.happen(t, e)
			if !r.pulling {
				all = w.receive(t, e).all(t)
			}
			got := <-all
			require.Equal(t, r.pull, got.messages)
			r.then(t, e, got.err)
		})
		cells("Receive meanwhile", func(t *testing.T, e *end, w receiving) {
			e.stuff(t, r.backlog)
			all := w.receive(t, e).all(t)
			e.quiet()
			r.happen(t, e)
			r.then(t, e, (<-all).err)
		})
		cell("Write", func(t *testing.T, e *end) {
			e.stuff(t, r.backlog)
			if r.pulling {
				byPull(t, e).all(t)
			}
			r.happen(t, e)
			<-e.conn.Closed().Done()
			err := e.conn.Writable().Write(t.Context(), wsstream.Text("x"))
			require.Error(t, err)
			r.write(t, e, err)
			ok, err := e.conn.Writable().TryWrite(wsstream.Text("x"))
			require.False(t, ok)
			r.write(t, e, err)
		})
		cell("Write that waits", func(t *testing.T, e *end) {
			e.stuff(t, true)
			if r.pulling {
				byPull(t, e).all(t)
			}
			written := goWrite(t, e, wsstream.Text("waits"))
			e.quiet()
			r.happen(t, e)
			waiting := r.waiting
			if waiting == nil {
				waiting = r.write
			}
			err := (<-written).err
			if err == nil && !e.mem {
				return // room came before the event was noticed
			}
			waiting(t, e, err)
		})
		cells("Closed", func(t *testing.T, e *end, w receiving) {
			e.stuff(t, r.backlog)
			w.receive(t, e).all(t)
			r.happen(t, e)
			info, err := e.closed(t)
			r.closed(t, e, err)
			if err == nil {
				require.Equal(t, r.info, info)
			}
			for _, done := range []<-chan struct{}{e.conn.Readable().Done(), e.conn.Writable().Done()} {
				select {
				case <-done:
				default:
					require.Fail(t, "Closed has settled before the end of a stream")
				}
			}
		})
	}
}
