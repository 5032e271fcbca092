package wsstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestPullAndWriteBothWaysThenClose(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("hello"), wstest.Ping("p"), wstest.Binary([]byte{1, 2}))
		require.Equal(t, "hello", e.pull(t))
		e.peer.Want("the ping is answered", wstest.Pong("p"))
		require.Equal(t, "\x01\x02", e.pull(t))
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("κόσμε")))
		e.peer.Want("the message", wstest.Text("κόσμε"))

		e.peer.Send(wstest.Text("last"), wstest.Close(3001, "bye"))
		e.peer.Want("the Close is answered with its code", wstest.Close(3001, ""))
		if e.client {
			e.peer.Close()
		} else {
			e.peer.WantEOF("the server drops the transport first")
		}
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "bye"}, info)
		require.Equal(t, "last", e.pull(t))
		_, err = e.conn.Readable().Pull(t.Context())
		told(3001, "bye")(t, e, err)
		require.Equal(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
	})
}

func TestPullReturnsWholeMessages(t *testing.T) {
	inEveryWay(t, config{}, func(t *testing.T, e *end, w receiving) {
		next := w.receive(t, e)
		e.peer.Send(
			wstest.Text("whole"),
			wstest.Text(""),
			wstest.Binary(nil),
			wstest.Text("in ").
				Part(),
			wstest.Cont([]byte("three "), false),
			wstest.Ping("between"),
			wstest.Cont([]byte("parts"), true),
			wstest.Binary(nil).Part(),
			wstest.Cont(nil, false),
			wstest.Cont(nil, true),
			wstest.Text("κό\xcf").
				Part(),
			wstest.Cont([]byte("\x83"), false),
			wstest.Cont([]byte("με"), true),
			wstest.Binary([]byte{0xff, 0}),
		)
		for _, want := range []wsstream.Message{
			wsstream.Text("whole"),
			wsstream.Text(""),
			wsstream.Binary([]byte{}),
			wsstream.Text("in three parts"),
			wsstream.Binary([]byte{}),
			wsstream.Text("κόσμε"),
			wsstream.Binary([]byte{0xff, 0}),
		} {
			m, err := next(patient(t))
			require.NoError(t, err)
			require.Equal(t, want.Type, m.Type)
			require.Equal(t, string(want.Data), string(m.Data))
		}
	})
}

func TestPullDeliversEverythingBeforeTheClose(t *testing.T) {
	inEveryWay(t, config{}, func(t *testing.T, e *end, w receiving) {
		var frames []wstest.Frame
		for range 100 {
			frames = append(frames, wstest.Text("x"))
		}
		e.peer.Send(append(frames, wstest.Close(1000, ""))...)
		e.peer.WantClose("the Close is answered although no call pulls", 1000)
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		next := w.receive(t, e)
		for range 100 {
			require.Equal(t, "x", next.text(t))
		}
		for range 2 {
			require.Equal(t, io.EOF, next.end(t))
		}
		for m, err := range e.conn.Readable().All(patient(t)) {
			require.FailNow(t, "a clean end yields nothing", "%v %v", m, err)
		}
	})
}

func TestPullIntoReusesItsMemoryAndIsEmptyAfterAnError(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		buf := []byte("0123456789")
		m := wsstream.Message{Data: buf[:5]}
		e.peer.Send(wstest.Text("abc"), wstest.Binary([]byte("longer than it was")),
			wstest.Text("half").Part())
		require.NoError(t, e.conn.Readable().PullInto(patient(t), &m))
		require.Equal(t, wsstream.Text("abc"), m)
		require.Same(t, &buf[0], &m.Data[0])
		require.NoError(t, e.conn.Readable().PullInto(patient(t), &m))
		require.Equal(t, wsstream.Binary([]byte("longer than it was")), m)

		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		room := cap(m.Data)
		go func() { ended <- e.conn.Readable().PullInto(ctx, &m) }()
		e.quiet()
		cancel(errWhy)
		require.Equal(t, errWhy, <-ended)
		require.Empty(t, m.Data)
		require.Equal(t, room, cap(m.Data))
		e.peer.Send(wstest.Cont([]byte(" and half"), true), wstest.CloseEmpty())
		require.Equal(t, "half and half", e.pull(t), "nothing was consumed")
		require.Equal(t, io.EOF, e.conn.Readable().PullInto(patient(t), &m))
		require.Empty(t, m.Data)
		require.Equal(t, room, cap(m.Data))
	})
}

func TestPullIntoOfAFailedHandshakeIsEmpty(t *testing.T) {
	conn := wsstream.Dial(t.Context(), "nowhere", nil)
	m := wsstream.Binary([]byte("old"))
	require.Error(t, conn.Readable().PullInto(t.Context(), &m))
	require.Empty(t, m.Data)
	require.Equal(t, 3, cap(m.Data))
}

func TestPullInALoopAfterTheEndDoesNotHoldUpTheClose(t *testing.T) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			e := overTCP(t, config{CloseTimeout: 20 * time.Second}, client)
			require.NoError(t, e.conn.Readable().Cancel(nil))
			stop := make(chan struct{})
			var loops sync.WaitGroup
			for range 4 {
				loops.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							_, _ = e.conn.Readable().Pull(t.Context())
						}
					}
				})
			}
			e.peer.Want("our Close", wstest.CloseEmpty())
			e.peer.Send(wstest.Close(1000, ""))
			if client {
				e.peer.Close()
			}
			_, err := e.closed(t)
			close(stop)
			loops.Wait()
			require.NoError(t, err, "CloseTimeout ended it")
		})
	}
}

func TestDiscardDropsMessagesAnswersPingsAndSeesTheClose(t *testing.T) {
	for name, before := range map[string]bool{"before opening": true, "after opening": false} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{ReadWindow: 1 << 10})
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				if before {
					conn.Readable().Discard()
				}
				peer.ServeHandshake()
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				if !before {
					peer.Send(wstest.Text("unread"))
					conn.Readable().Discard()
				}
				pulled := goDo(func() (wsstream.Message, error) { return conn.Readable().Pull(patient(t)) })
				for range 50 {
					peer.Send(wstest.Binary(make([]byte, 10<<10)))
				}
				peer.Send(wstest.Ping("behind it all"))
				peer.Want("no window is full", wstest.Pong("behind it all"))
				require.NoError(t, conn.Writable().Write(patient(t), wsstream.Text("goes on")))
				peer.Want("the Writable goes on", wstest.Text("goes on"))
				require.Empty(t, pulled, "a Pull waits for the end")
				peer.Send(wstest.Close(1000, ""))
				peer.WantClose("it is seen", 1000)
				peer.Close()
				require.Equal(t, io.EOF, (<-pulled).err)
				require.Zero(t, conn.Stats().Received.Messages)
				require.Zero(t, conn.Stats().Received.Held)
			})
		})
	}
}

func TestCancelClosesAndDropsWhatIsUnread(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cause error
		want  wstest.Frame
	}{
		{
			"with an *Error",
			&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 3007, Reason: "enough"}},
			wstest.Close(3007, "enough"),
		},
		{
			"with one inside",
			errors.Join(errReason, &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1001}}),
			wstest.Close(1001, ""),
		},
		{
			"with one that may not be sent",
			&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1006}},
			wstest.Close(1011, ""),
		},
		{"with any other", errReason, wstest.Close(1011, "")},
		{"with none", nil, wstest.CloseEmpty()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("read"), wstest.Text("unread"))
				require.Equal(t, "read", e.pull(t))
				require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("accepted")))
				require.NoError(t, e.conn.Readable().Cancel(tc.cause))
				_, err := e.conn.Readable().Pull(patient(t))
				require.Equal(t, io.EOF, err)
				require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(patient(t), wsstream.Text("late")))
				e.peer.Want("what was accepted, then the Close", wstest.Text("accepted"), tc.want)
				e.peer.Send(wstest.Text("dropped"), wstest.Close(4000, "yes"))
				e.peer.Close()
				info, err := e.closed(t)
				require.NoError(t, err)
				require.Equal(t, wsstream.CloseInfo{Code: 4000, Reason: "yes"}, info)
				_, err = e.conn.Readable().Pull(patient(t))
				require.Equal(t, io.EOF, err)
			})
		})
	}
}

func TestCancelEndsWaitingPullsInsideAMessage(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		pulls := []<-chan result{goPull(t, e), goPull(t, e), goPull(t, e)}
		e.peer.Send(wstest.Text("half").Part(), wstest.Ping("seen"))
		e.peer.Want("a Pull has read it", wstest.Pong("seen"))
		require.NoError(t, e.conn.Readable().Cancel(nil))
		for _, pulled := range pulls {
			require.Equal(t, io.EOF, (<-pulled).err)
		}
	})
}

func TestCancelEndsWaitingPullsAndDropsWhatComes(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
		first, second := goPull(t, e), goPull(t, e)
		e.quiet()
		require.NoError(t, e.conn.Readable().Cancel(nil))
		require.Equal(t, io.EOF, (<-first).err)
		require.Equal(t, io.EOF, (<-second).err)
		e.peer.Want("the Close", wstest.CloseEmpty())
		// Behind far more than the window.
		e.peer.Send(wstest.Binary(make([]byte, 512<<10)), wstest.Close(3001, ""))
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 3001, info.Code)
		_, err = e.conn.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
	})
}
