package wsstream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestMessageReaderMakesAPullBusyWhileItsReadWaits(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("ab").Part())
		r, err := e.conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 2))
		require.NoError(t, err)
		reading := goErr(func() error { _, err := r.Read(make([]byte, 1)); return err })
		synctest.Wait()
		start := time.Now()
		wantBusy(t, e)
		require.Zero(t, time.Since(start))
		require.Empty(t, reading, "the Read waits on")
		e.peer.Send(wstest.Cont([]byte("c"), true))
		require.NoError(t, (<-reading).err)
	})
}

// TestMessageReaderDoesNotHoldUpTheEnd: Cancel and CloseNow drop the input while a MessageReader
// is open.
func TestMessageReaderDoesNotHoldUpTheEnd(t *testing.T) {
	for what, c := range map[string]struct {
		drop func(e *end)
		err  func(*testing.T, *end, error)
	}{
		"Cancel":   {func(e *end) { _ = e.conn.Readable().Cancel(nil) }, is(io.EOF)},
		"CloseNow": {func(e *end) { e.conn.CloseNow() }, theEnd},
	} {
		t.Run(what, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("half").Part())
				_, err := e.conn.Readable().NextMessage(patient(t))
				require.NoError(t, err)
				c.drop(e)
				_, err = e.conn.Readable().Pull(patient(t))
				c.err(t, e, err)
				_, err = e.conn.Readable().NextMessage(patient(t))
				c.err(t, e, err)
			})
		})
	}
}

func TestMessagesLoopThatIsLeftSkipsTheRest(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("half").Part())
		var left *wsstream.MessageReader
		for m, err := range e.conn.Readable().Messages(patient(t)) {
			require.NoError(t, err)
			left = m
			break
		}
		_, err := left.Read(make([]byte, 1))
		require.Equal(t, wsstream.ErrClosed, err)
		e.peer.Send(wstest.Cont([]byte(" and half"), true), wstest.Text("next"))
		require.Equal(t, "next", e.pull(t))
	})
}

func TestMessagesEndsWithTheStream(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("unread"), wstest.Text("read"), wstest.Close(1000, ""))
		var got []string
		for m, err := range e.conn.Readable().Messages(patient(t)) {
			require.NoError(t, err, "io.EOF ends the loop and is not yielded")
			b := make([]byte, len(got)*4)
			_, err = io.ReadFull(m, b)
			require.NoError(t, err)
			got = append(got, string(b))
		}
		require.Equal(t, []string{"", "read"}, got)
	})
}

func TestPullBehindANextMessageIsBusy(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		opened := make(chan *wsstream.MessageReader, 1)
		go func() {
			m, err := e.conn.Readable().NextMessage(t.Context())
			if err == nil {
				opened <- m
			}
			close(opened)
		}()
		synctest.Wait()
		pulled := goPull(t, e) // waits its turn
		synctest.Wait()
		e.peer.Send(wstest.Text("one"), wstest.Text("two"))
		m := <-opened
		require.NotNil(t, m)
		require.Equal(t, wsstream.ErrBusy, (<-pulled).err)
		got, err := io.ReadAll(m)
		require.NoError(t, err)
		require.Equal(t, "one", string(got))
		require.Equal(t, "two", e.pull(t))
	})
}

// TestMessageReaderMakesPullsBusy: they return ErrBusy immediately.
func TestMessageReaderMakesPullsBusy(t *testing.T) {
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

		e.peer.Send(wstest.Cont([]byte(" half"), true), wstest.Text("second"), wstest.Text("third"),
			wstest.Ping("seen?"))
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

func TestMessageReaderClosedEarlySkipsWhatHasNotCome(t *testing.T) {
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

func TestMessageReaderClosedEarlyIsDrainedWithoutAPull(t *testing.T) {
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

// TestMessageReaderWhoseContextEndsStaysOpen: its Reads return the cause until it is closed.
func TestMessageReaderWhoseContextEndsStaysOpen(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithCancelCause(t.Context())
		e.peer.Send(wstest.Text("half").Part())
		r, err := e.conn.Readable().NextMessage(ctx)
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 4))
		require.NoError(t, err)
		waits := goErr(func() error { _, err := r.Read(make([]byte, 1)); return err })
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

func TestMessageReaderOfAMessageCutShort(t *testing.T) {
	ends := []struct {
		what string
		end  func(t *testing.T, e *end)
		err  func(*testing.T, *end, error)
	}{
		{"clean", func(_ *testing.T, e *end) { e.peer.Send(wstest.Close(1000, "")) }, torn(1000)},
		{"with a code", func(_ *testing.T, e *end) { e.peer.Send(wstest.Close(4001, "")) }, torn(4001)},
		{"lost", func(_ *testing.T, e *end) { e.peer.Close() }, theEnd},
		{
			"Cancel",
			func(t *testing.T, e *end) { require.NoError(t, e.conn.Readable().Cancel(nil)) },
			is(io.ErrUnexpectedEOF),
		},
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
				waits := goErr(func() error { _, err := r.Read(make([]byte, 1)); return err })
				e.quiet()
				c.end(t, e)
				c.err(t, e, (<-waits).err)
				_, err = r.Read(make([]byte, 1))
				c.err(t, e, err)
			})
		})
	}
}
