package wsstream_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestWhileAMessageReaderIsOpenPullsAreBusyAtOnce(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("first").Part())
		r, err := e.conn.Readable().NextMessage(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.TypeText, r.Type())
		wantBusy(t, e)
		b := make([]byte, 3)
		n, err := io.ReadFull(r, b)
		require.NoError(t, err)
		require.Equal(t, "fir", string(b[:n]))
		wantBusy(t, e)

		e.peer.Send(wstest.Cont([]byte(" half"), true), wstest.Text("second"), wstest.Text("third"), wstest.Ping("seen?"))
		e.peer.Want("read-ahead goes on", wstest.Pong("seen?"))
		wantBusy(t, e)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "st half", string(rest))
		require.Equal(t, "second", e.pull(t), "read to its end it is not in the way")

		r, err = e.conn.Readable().NextMessage(patient(t))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		_, err = r.Read(b)
		require.Equal(t, wsstream.ErrClosed, err)
		e.peer.Send(wstest.Text("fourth"))
		require.Equal(t, "fourth", e.pull(t), "third was skipped")
	})
}

func wantBusy(t *testing.T, e *end) {
	t.Helper()
	m := wsstream.Message{Data: make([]byte, 5, 8)}
	require.Equal(t, wsstream.ErrBusy, e.conn.Readable().PullInto(patient(t), &m))
	require.Empty(t, m.Data)
	_, err := e.conn.Readable().Pull(patient(t))
	require.Equal(t, wsstream.ErrBusy, err)
	_, err = e.conn.Readable().NextMessage(patient(t))
	require.Equal(t, wsstream.ErrBusy, err)
}

func TestAMessageReaderClosedHalfWaySkipsWhatHasNotComeYet(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("skipped").Part())
		r, err := e.conn.Readable().NextMessage(patient(t))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		next := goPull(t, e)
		e.quiet()
		e.peer.Send(wstest.Cont([]byte("\xff, too"), false), wstest.Cont(nil, true), wstest.Text("next"))
		got := <-next
		require.NoError(t, got.err)
		require.Equal(t, "next", string(got.msg.Data))
	})
}

func TestTheRestOfAClosedMessageIsDroppedThoughNobodyPulls(t *testing.T) {
	inBubble(t, config{ReadWindow: 1 << 10, Limit: 1 << 10}, func(t *testing.T, e *end) {
		sent := flood(e, 1, 100<<10)
		m, err := e.conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		e.notice()
		requirePending(t, sent, "the window is full")
		require.NoError(t, m.Close())
		require.NoError(t, <-sent)
		e.echo(t)
	})
}

func TestTheContextOfNextMessageEndsTheReadAndTheMessageStaysOpen(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithCancelCause(t.Context())
		e.peer.Send(wstest.Text("half").Part())
		r, err := e.conn.Readable().NextMessage(ctx)
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 4))
		require.NoError(t, err)
		waits := goDo(func() (m wsstream.Message, err error) { _, err = r.Read(make([]byte, 1)); return m, err })
		e.quiet()
		cancel(errWhy)
		require.Equal(t, errWhy, (<-waits).err)
		_, err = r.Read(make([]byte, 1))
		require.Equal(t, errWhy, err)
		wantBusy(t, e)

		require.NoError(t, r.Close())
		e.peer.Send(wstest.Cont([]byte("rest"), true), wstest.Text("next"))
		require.Equal(t, "next", e.pull(t))
	})
}

func TestAMessageThatTheEndCutsShort(t *testing.T) {
	ends := []struct {
		what string
		end  func(t *testing.T, e *end)
		err  func(*testing.T, *end, error)
	}{
		{"clean", func(_ *testing.T, e *end) { e.peer.Send(wstest.Close(1000, "")) }, torn(1000)},
		{"with a code", func(_ *testing.T, e *end) { e.peer.Send(wstest.Close(4001, "")) }, torn(4001)},
		{"lost", func(_ *testing.T, e *end) { e.peer.Close() }, theEnd},
		{"Cancel", func(t *testing.T, e *end) { require.NoError(t, e.conn.Readable().Cancel(nil)) }, is(io.ErrUnexpectedEOF)},
		{"CloseNow", func(_ *testing.T, e *end) { e.conn.CloseNow() }, theEnd},
	}
	for _, c := range ends {
		t.Run(c.what, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("half").Part())
				r, err := e.conn.Readable().NextMessage(patient(t))
				require.NoError(t, err)
				_, err = io.ReadFull(r, make([]byte, 4))
				require.NoError(t, err)
				waits := goDo(func() (m wsstream.Message, err error) { _, err = r.Read(make([]byte, 1)); return m, err })
				e.quiet()
				c.end(t, e)
				c.err(t, e, (<-waits).err)
				_, err = r.Read(make([]byte, 1))
				c.err(t, e, err)
			})
		})
	}
}

func TestWhileAMessageWriterIsOpenOtherWritesWaitAndControlFramesPass(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		_, err := io.WriteString(w, "one, ")
		require.NoError(t, err)
		e.peer.Want("the first frame", wstest.Text("one, ").Part())

		write := goWrite(t, e, wsstream.Text("other"))
		e.quiet()
		ok, err := e.conn.Writable().TryWrite(wsstream.Text("other"))
		require.False(t, ok)
		require.NoError(t, err)
		e.peer.Send(wstest.Ping("between?"))
		e.peer.Want("a pong between the frames", wstest.Pong("between?"))

		_, err = io.WriteString(w, "two")
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.Equal(t, "two", string(readMessage(t, e)), "the rest of the message")
		require.NoError(t, (<-write).err)
		e.peer.Want("the Write that waited", wstest.Text("other"))
		_, err = io.WriteString(w, "three")
		require.Equal(t, wsstream.ErrClosed, err)
	})
}

func TestWritableCloseTakesItsTurnBehindAnOpenMessageWriter(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		_, err := io.WriteString(w, "half")
		require.NoError(t, err)
		closed := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Close(patient(t)) })
		e.quiet()
		require.NoError(t, w.Close())
		require.Equal(t, "half", string(readMessage(t, e)))
		e.peer.Want("the Close behind it", wstest.Close(1000, ""))
		e.peer.Send(wstest.CloseEmpty())
		e.drop(t)
		require.NoError(t, (<-closed).err)
	})
}

func TestTheEndOfTheConnectionIsTheErrorOfAnOpenMessageWriter(t *testing.T) {
	ends := map[string]func(e *end){
		"CloseNow": func(e *end) { e.conn.CloseNow() },
		"lost":     func(e *end) { e.peer.Close() },
		"protocol": func(e *end) { e.peer.Send(wstest.Frame{Fin: true, Op: 3}); go drain(e) },
	}
	for what, happen := range ends {
		t.Run(what, func(t *testing.T) {
			inBubble(t, config{WriteWindow: 256, Limit: 4 << 10}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				blocked := goDo(func() (m wsstream.Message, err error) {
					_, err = w.Write(make([]byte, 64<<10))
					return m, err
				})
				e.notice()
				happen(e)
				theEnd(t, e, (<-blocked).err)
				theEnd(t, e, w.Close())
			})
		})
	}
}

func TestTheContextOfNewMessageEndsTheWriteAndTheMessageStaysOpen(t *testing.T) {
	inBubble(t, config{WriteWindow: 256}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		ctx, cancel := context.WithCancelCause(t.Context())
		w := e.newMessage(t, ctx)
		waits := goDo(func() (m wsstream.Message, err error) { _, err = w.Write(make([]byte, 1)); return m, err })
		synctest.Wait()
		cancel(errWhy)
		require.Equal(t, errWhy, (<-waits).err)
		_, err := w.Write([]byte("more"))
		require.Equal(t, errWhy, err)

		require.Equal(t, size, e.wantData(t))
		other := goWrite(t, e, wsstream.Text("other"))
		e.peer.WantIdle("it waits for the message's end")
		require.NoError(t, w.Close(), "an ended context must not leave a connection that cannot be written to")
		require.NoError(t, (<-other).err)
		e.peer.Want("the message that is empty, and the other", wstest.Text(""), wstest.Text("other"))
	})
}

func TestCloseAndAbortEndAnOpenMessageWriterWithoutAFIN(t *testing.T) {
	ways := []struct {
		what string
		end  func(e *end) error
		err  error
		sent wstest.Frame
	}{
		{"Close", func(e *end) error { return e.conn.Close(wsstream.CloseInfo{}) }, wsstream.ErrClosed, wstest.CloseEmpty()},
		{"Abort", func(e *end) error { return e.conn.Writable().Abort(nil) }, wsstream.ErrClosed, wstest.CloseEmpty()},
		{"Abort for a cause", func(e *end) error { return e.conn.Writable().Abort(errWhy) }, errWhy, wstest.Close(1011, "")},
		{"Cancel", func(e *end) error { return e.conn.Readable().Cancel(errWhy) }, wsstream.ErrClosed, wstest.Close(1011, "")},
	}
	for _, c := range ways {
		t.Run(c.what, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				_, err := io.WriteString(w, "half")
				require.NoError(t, err)
				e.peer.Want("the first frame", wstest.Text("half").Part())
				require.NoError(t, c.end(e))
				e.peer.Want("the Close follows", c.sent)
				_, err = io.WriteString(w, "more")
				require.Equal(t, c.err, err)
				require.Equal(t, c.err, w.Close())
				e.peer.Send(wstest.CloseEmpty())
				e.drop(t)
				_, err = e.closed(t)
				require.NoError(t, err)
			})
			onEveryPath(t, config{WriteWindow: 16 << 10, Limit: 64 << 10}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				blocked := goDo(func() (m wsstream.Message, err error) {
					_, err = io.WriteString(w, strings.Repeat("x", 1<<20))
					return m, err
				})
				f, err := e.peer.Next()
				require.NoError(t, err)
				require.False(t, f.Fin)
				e.quiet()
				require.NoError(t, c.end(e))
				require.Equal(t, c.err, (<-blocked).err)
				for f.Op != ws.OpClose {
					f, err = e.peer.Next()
					require.NoError(t, err)
					require.True(t, f.Op == ws.OpClose || !f.Fin, "the message must not end: %v", f)
				}
			})
		})
	}
}

func (e *end) newMessage(t *testing.T, ctx context.Context) *wsstream.MessageWriter {
	t.Helper()
	w, err := e.conn.Writable().NewMessage(ctx, wsstream.TypeText)
	require.NoError(t, err)
	return w
}
