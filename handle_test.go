package wsstream_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// handled has what a message handler was given.
type handled struct {
	messages chan string
	end      chan error
}

// handle lets a handler note what it is given.
func handle(t *testing.T, c *wsstream.Conn) *handled {
	t.Helper()
	h := &handled{make(chan string, 1000), make(chan error, 2)}
	require.NoError(t, c.Readable().Handle(func(m wsstream.Message) error {
		h.messages <- string(m.Data)
		return nil
	}, func(err error) { h.end <- err }))
	return h
}

func TestHandleGetsEachMessageOnceInOrder(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("before"))
		h := handle(t, e.conn)
		require.Equal(t, "before", <-h.messages)
		e.peer.Send(wstest.Text("a"), wstest.Text("b"))
		require.Equal(t, "a", <-h.messages)
		require.Equal(t, "b", <-h.messages)
		e.peer.Send(wstest.Frame{Op: 1, Payload: []byte("in ")})
		e.peer.Send(wstest.Ping("between"))
		e.peer.Want("a pong", wstest.Pong("between"))
		e.peer.Send(wstest.Frame{Op: 0, Fin: true, Payload: []byte("parts")})
		require.Equal(t, "in parts", <-h.messages)
		e.peer.Send(wstest.Text("last"), wstest.Close(1000, ""))
		require.Equal(t, "last", <-h.messages)
		e.peer.Want("our Close", wstest.Close(1000, ""))
		e.peer.Close()
		require.Equal(t, io.EOF, <-h.end)
	})
}

func TestHandleGetsTheEndOfPulls(t *testing.T) {
	for name, test := range map[string]struct {
		happen func(e *end)
		want   func(t *testing.T, err error)
	}{
		"CloseNow": {func(e *end) { e.conn.CloseNow() }, func(t *testing.T, err error) {
			require.Equal(t, 1006, wsstream.CloseCode(err))
		}},
		"Cancel": {func(e *end) { _ = e.conn.Readable().Cancel(nil) }, func(t *testing.T, err error) {
			require.Equal(t, io.EOF, err)
		}},
		"the transport ends": {func(e *end) { e.peer.Close() }, func(t *testing.T, err error) {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("one"))
				h := handle(t, e.conn)
				require.Equal(t, "one", <-h.messages)
				test.happen(e)
				test.want(t, <-h.end)
				e.peer.Close()
				<-e.conn.Closed().Done()
				require.Empty(t, h.end, "end is called once")
			})
		})
	}
}

func TestHandleErrorCancelsTheReadable(t *testing.T) {
	failed := errors.New("no room")
	for name, test := range map[string]struct {
		message func() error
		want    func(t *testing.T, err error)
	}{
		"an error": {func() error { return failed }, func(t *testing.T, err error) {
			require.Equal(t, failed, err)
		}},
		"a panic": {func() error { panic(failed) }, func(t *testing.T, err error) {
			p, ok := errors.AsType[*stream.Panic](err)
			require.True(t, ok)
			require.Equal(t, failed, p.Value)
		}},
		"Goexit": {func() error { runtime.Goexit(); return nil }, func(t *testing.T, err error) {
			require.ErrorContains(t, err, "ended its goroutine")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				ended := make(chan error, 2)
				calls := 0
				require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error {
					calls++
					return test.message()
				}, func(err error) { ended <- err }))
				e.peer.Send(wstest.Text("one"), wstest.Text("two"))
				f, err := e.peer.Next()
				require.NoError(t, err)
				require.Equal(t, wstest.OpClose, f.Op)
				e.peer.Send(f)
				e.peer.Close()
				test.want(t, <-ended)
				require.Equal(t, 1, calls)
			})
		})
	}
}

func TestHandleMakesPullsBusy(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		pulled := make(chan error, 1)
		go func() {
			_, err := e.conn.Readable().Pull(context.Background())
			pulled <- err
		}()
		h := handle(t, e.conn)
		require.Equal(t, wsstream.ErrBusy, <-pulled)
		_, err := e.conn.Readable().Pull(t.Context())
		require.Equal(t, wsstream.ErrBusy, err)
		_, err = e.conn.Readable().NextMessage(t.Context())
		require.Equal(t, wsstream.ErrBusy, err)
		require.Equal(t, wsstream.ErrBusy, e.conn.Readable().Handle(
			func(wsstream.Message) error { return nil }, nil))
		e.peer.Send(wstest.Text("still"))
		require.Equal(t, "still", <-h.messages)
	})
}

func TestHandleIsBusyWhileAMessageReaderIsOpen(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("read"))
		m, err := e.conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.ErrBusy, e.conn.Readable().Handle(
			func(wsstream.Message) error { return nil }, nil))
		got, err := io.ReadAll(m)
		require.NoError(t, err)
		require.Equal(t, "read", string(got))
		h := handle(t, e.conn)
		e.peer.Send(wstest.Text("handled"))
		require.Equal(t, "handled", <-h.messages)
	})
}

func TestHandleSlowsItsPeerDownWhileItRuns(t *testing.T) {
	const window = 4 << 10
	onEveryPath(t, config{ReadWindow: window, Limit: 64 << 10}, func(t *testing.T, e *end) {
		release := make(chan struct{})
		var n atomic.Int32
		require.NoError(t, e.conn.Readable().Handle(func(m wsstream.Message) error {
			n.Add(1)
			<-release
			return nil
		}, nil))
		flooded := flood(e, 100, 10<<10)
		until(t, func() bool { return e.conn.Stats().Received.Held >= window })
		require.EqualValues(t, 1, n.Load())
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window+10<<10+100))
		close(release)
		require.NoError(t, <-flooded)
		until(t, func() bool { return n.Load() == 100 })
	})
}

func TestHandleAnswersPingsWhileItRuns(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		release := make(chan struct{})
		begun := make(chan struct{})
		require.NoError(t, e.conn.Readable().Handle(func(m wsstream.Message) error {
			close(begun)
			<-release
			return nil
		}, nil))
		defer close(release)
		e.peer.Send(wstest.Text("one"))
		<-begun
		e.peer.Send(wstest.Ping("x"))
		e.peer.Want("a pong", wstest.Pong("x"))
	})
}

func TestHandleMayCallEveryMethod(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		c, ended := e.conn, make(chan error, 1)
		require.NoError(t, c.Readable().Handle(func(m wsstream.Message) error {
			if string(m.Data) == "close" {
				c.CloseNow()
				return nil
			}
			_, err := c.Readable().Pull(c.Context())
			require.Equal(t, wsstream.ErrBusy, err)
			require.Equal(t, wsstream.ErrBusy, c.Readable().Handle(
				func(wsstream.Message) error { return nil }, nil))
			c.Stats()
			return c.Writable().Write(c.Context(), m)
		}, func(err error) { ended <- err }))
		e.peer.Send(wstest.Text("echo"))
		e.peer.Want("the answer", wstest.Text("echo"))
		e.peer.Send(wstest.Text("close"))
		require.Equal(t, 1006, wsstream.CloseCode(<-ended))
	})
}

// TestHandleGetsWhatPullsGet: for each input, a handler gets the messages and the end that pulls
// get, and the peer gets the same Close.
func TestHandleGetsWhatPullsGet(t *testing.T) {
	long := wstest.Text(strings.Repeat("long ", 20_000))
	for name, send := range map[string]func(p *wstest.Peer){
		"a message in parts": func(p *wstest.Peer) {
			for _, part := range []string{"in ", "", "so ", "many "} {
				p.Send(wstest.Frame{Op: 1, Payload: []byte(part)})
				for {
					p.Send(wstest.Ping("between"), wstest.Cont([]byte(part), false))
					if part = part[min(1, len(part)):]; part == "" {
						break
					}
				}
				p.Send(wstest.Cont([]byte("parts"), true))
			}
			p.Send(wstest.Close(1000, "done"))
		},
		"byte by byte": func(p *wstest.Peer) {
			frames := []wstest.Frame{wstest.Text("a"), wstest.Text("bc"), wstest.Close(4000, "x")}
			for _, f := range frames {
				for _, b := range p.Encode(f) {
					p.SendRaw([]byte{b})
				}
			}
		},
		"long ones": func(p *wstest.Peer) { p.Send(long, long, wstest.Text(""), wstest.CloseEmpty()) },
		"many": func(p *wstest.Peer) {
			for range 300 {
				p.Send(wstest.Text("one of many"))
			}
			p.Send(wstest.Close(1001, "going"))
		},
		"too long": func(p *wstest.Peer) {
			p.Send(wstest.Text("a"), wstest.Binary(make([]byte, 200_000)))
		},
		"too long, in parts": func(p *wstest.Peer) {
			p.Send(wstest.Text("a"))
			p.Send(wstest.Binary(make([]byte, 90_000)).Part(), wstest.Cont(make([]byte, 30_000), true))
		},
		"text that is cut inside a character": func(p *wstest.Peer) {
			p.Send(wstest.Text("a"), wstest.Text("\xe2\x82"))
		},
		"text that is cut, in parts": func(p *wstest.Peer) {
			p.Send(wstest.Frame{Op: 1, Payload: []byte("\xe2")}, wstest.Cont([]byte("\x82"), true))
		},
		"a reserved opcode": func(p *wstest.Peer) {
			p.Send(wstest.Text("a"), wstest.Frame{Fin: true, Op: 5})
		},
		"half a message": func(p *wstest.Peer) { p.Send(wstest.Text("a"), wstest.Text("b").Part()) },
		"half a message, then a Close": func(p *wstest.Peer) {
			p.Send(wstest.Frame{Op: 1, Payload: []byte("b")}, wstest.Close(1000, ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			limit := config{MaxMessageSize: 100_000}
			onEveryPath(t, limit, func(t *testing.T, e *end) {
				want := talk(t, e, send, false)
				again := overTCP
				if e.mem {
					again = inMemory
				}
				e = again(t, limit, e.client)
				require.Equal(t, want, talk(t, e, send, true))
			})
		})
	}
}

// A talked is what both sides have got of a connection.
type talked struct {
	messages []string
	end      string
	code     uint16 // of our Close; 0 for none
}

// talk lets the peer send, and then end.
func talk(t *testing.T, e *end, send func(p *wstest.Peer), byHandler bool) (got talked) {
	t.Helper()
	ended := make(chan error, 1)
	note := func(m wsstream.Message) error {
		got.messages = append(got.messages, m.Type.String()+string(m.Data))
		return nil
	}
	if byHandler {
		require.NoError(t, e.conn.Readable().Handle(note, func(err error) { ended <- err }))
	} else {
		go func() {
			for {
				m, err := e.conn.Readable().Pull(t.Context())
				if err != nil {
					ended <- err
					return
				}
				_ = note(m)
			}
		}()
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for {
			f, err := e.peer.Next()
			if err != nil {
				return
			}
			if f.Op == wstest.OpClose {
				code, _ := ws.ParseCloseFrameData(f.Payload)
				got.code = uint16(code)
				return
			}
		}
	}()
	send(e.peer)
	e.peer.CloseWrite()
	<-drained
	e.peer.Close()
	got.end = (<-ended).Error()
	<-e.conn.Closed().Done()
	return got
}

// TestHandleMayWriteUntilItWouldWait: a handler that fills the WriteWindow of its own connection
// learns of that from TryWrite, and goes on with what the peer sends.
func TestHandleMayWriteUntilItWouldWait(t *testing.T) {
	const size = 10 << 10
	onEveryPath(t, config{WriteWindow: 4 << 10, Limit: 64 << 10}, func(t *testing.T, e *end) {
		accepted := make(chan int, 2)
		require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error {
			n := 0
			for {
				ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, size)))
				if !ok || err != nil {
					accepted <- n
					return err
				}
				n++
			}
		}, nil))
		for range 2 {
			e.peer.Send(wstest.Text("fill it"))
			for range <-accepted {
				require.Len(t, readMessage(t, e), size)
			}
		}
	})
}

// TestHandleThatWaitsInAWriteGoesOnWhenThePeerReads: meanwhile it holds its own peer back.
func TestHandleThatWaitsInAWriteGoesOnWhenThePeerReads(t *testing.T) {
	const n, size = 100, 10 << 10
	c := config{ReadWindow: 4 << 10, WriteWindow: 4 << 10, Limit: 64 << 10}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Readable().Handle(func(m wsstream.Message) error {
			return e.conn.Writable().Write(e.conn.Context(), m)
		}, nil))
		flooded := flood(e, n, size) // of an echo
		until(t, func() bool { return e.conn.Stats().Sent.Held >= 4<<10 })
		until(t, func() bool { return e.conn.Stats().Received.Held >= 4<<10 })
		require.Empty(t, flooded, "the peer is held back")
		for range n {
			require.Len(t, readMessage(t, e), size)
		}
		require.NoError(t, <-flooded)
		received, sent := e.conn.Stats().Received, e.conn.Stats().Sent
		require.LessOrEqual(t, received.HeldMax, int64(4<<10+size+8))
		require.LessOrEqual(t, sent.HeldMax, int64(4<<10+size+8))
	})
}

// TestContextOfAConnEndsNoCallInAHandler is law 2: a handler's calls get the end, and not that of
// the context.
func TestContextOfAConnEndsNoCallInAHandler(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		results := make(chan error, 3)
		require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error {
			ctx := e.conn.Context()
			<-ctx.Done()
			results <- e.conn.Writable().Write(ctx, wsstream.Text("x"))
			_, err := e.conn.Ping(ctx)
			results <- err
			return nil
		}, func(err error) { results <- err }))
		e.peer.Send(wstest.Text("one"), wstest.Close(4001, "bye"))
		e.wantClose(t, wstest.Close(4001, ""))
		e.drop(t)
		for range 3 {
			told(4001, "bye")(t, e, <-results)
		}
	})
}
