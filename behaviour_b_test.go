package wsstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// The readable, line by line.

func TestB0_ACallWhoseContextHadEndedFailsAtOnceAndConsumesOrSendsNothing(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("first"), wstest.Text("second"))
		require.Equal(t, "first", e.pull(t)) // the second is likely to be there by now
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errReason)
		r, w := e.conn.Readable(), e.conn.Writable()
		m := wsstream.Message{Data: []byte("old")}
		for name, call := range map[string]func() error{
			"Opened":         func() error { _, err := e.conn.Opened().Wait(ctx); return err },
			"Closed":         func() error { _, err := e.conn.Closed().Wait(ctx); return err },
			"Pull":           func() error { _, err := r.Pull(ctx); return err },
			"PullInto":       func() error { return r.PullInto(ctx, &m) },
			"NextMessage":    func() error { _, err := r.NextMessage(ctx); return err },
			"Write":          func() error { return w.Write(ctx, wsstream.Text("x")) },
			"Ready":          func() error { return w.Ready(ctx) },
			"Flush":          func() error { return w.Flush(ctx) },
			"NewMessage":     func() error { _, err := w.NewMessage(ctx, wsstream.TypeText); return err },
			"Writable.Close": func() error { return w.Close(ctx) },
		} {
			require.Equal(t, errReason, call(), name)
		}
		for range 3 {
			for _, err := range r.All(ctx) {
				require.Equal(t, errReason, err)
			}
			for _, err := range r.Messages(ctx) {
				require.Equal(t, errReason, err)
			}
		}
		require.Empty(t, m.Data)
		require.Equal(t, "second", e.pull(t))
		require.NoError(t, w.Write(patient(t), wsstream.Text("after")))
		e.peer.Want("nothing was sent before", wstest.Text("after"))
	})
}

func TestB0_AnEndedContextFailsCallsAfterTheEndToo(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.conn.CloseNow()
		_, err := e.closed(t)
		require.Error(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errReason)
		_, err = e.conn.Closed().Wait(ctx)
		require.Equal(t, errReason, err)
		_, err = e.conn.Readable().Pull(ctx)
		require.Equal(t, errReason, err)
		require.Equal(t, errReason, e.conn.Writable().Write(ctx, wsstream.Text("x")))
	})
}

func TestB1_AChunkIsAWholeMessageAnEmptyOneToo(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(
			wstest.Text("whole"),
			wstest.Text(""),
			wstest.Binary(nil),
			wstest.Text("in ").Part(), wstest.Cont([]byte("three "), false), wstest.Ping("between"), wstest.Cont([]byte("parts"), true),
			wstest.Binary(nil).Part(), wstest.Cont(nil, false), wstest.Cont(nil, true),
			wstest.Text("κό\xcf").Part(), wstest.Cont([]byte("\x83"), false), wstest.Cont([]byte("με"), true),
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
			m, err := e.conn.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, want.Type, m.Type)
			require.Equal(t, string(want.Data), string(m.Data))
		}
	})
}

func TestB1_TextFailsAsSoonAsItCannotBeUTF8(t *testing.T) {
	for name, frames := range map[string][]wstest.Frame{
		"in one frame":                   {wstest.Text("a\xff")},
		"cut at the end":                 {wstest.Text("a\xcf")},
		"cut at the end of its last":     {wstest.Text("a").Part(), wstest.Cont([]byte("\xcf"), true)},
		"in the first of fragments":      {wstest.Text("a\xff").Part()},
		"in the second":                  {wstest.Text("a\xcf").Part(), wstest.Cont([]byte("a"), false)},
		"a surrogate that is not whole":  {wstest.Text("\xed\xa0").Part()},
		"above U+10FFFF, before its end": {wstest.Text("\xf4").Part(), wstest.Cont([]byte("\x90"), false)},
		"overlong, before its end":       {wstest.Text("\xe0").Part(), wstest.Cont([]byte("\x80"), false)},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(append([]wstest.Frame{wstest.Text("good")}, frames...)...)
				require.Equal(t, "good", e.pull(t))
				pulled := goPull(t, e)
				reason := e.peer.WantClose("the Close comes before the message ends", 1007)
				require.Contains(t, reason, "UTF-8")
				e.peer.Close()
				err := (<-pulled).err
				var end *wsstream.Error
				require.ErrorAs(t, err, &end)
				require.Equal(t, 1006, end.Code)
				require.ErrorContains(t, err, "1007")
				_, last := e.closed(t)
				require.Equal(t, err, last)
			})
		})
	}
}

func TestB2_APeerThatSends16MiBToAReaderWhoWaits2sNotices(t *testing.T) {
	inBubble(t, config{MaxMessageSize: -1}, func(t *testing.T, e *end) {
		start := time.Now()
		sent := make(chan error, 1)
		go func() {
			for range 16 {
				if err := e.peer.Write(wstest.Binary(make([]byte, 1<<20))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Empty(t, sent)
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(wsstream.DefaultReadWindow))
		for range 16 {
			require.Len(t, e.pull(t), 1<<20)
		}
		require.NoError(t, <-sent)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestB2_APeerThatSends16MiBToAReaderWhoDoesNotPullNoticesOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{Limit: 64 << 10}, client)
		raw := bytes.Repeat(e.peer.Encode(wstest.Binary(make([]byte, 64<<10))), 256)
		require.NoError(t, e.far.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := e.far.Write(raw)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(wsstream.DefaultReadWindow))
		require.NoError(t, e.far.SetWriteDeadline(time.Time{}))
		sent := make(chan error, 1)
		go func() {
			_, err := e.far.Write(raw[n:])
			sent <- err
		}()
		for range 256 {
			require.Len(t, e.pull(t), 64<<10)
		}
		require.NoError(t, <-sent)
	}
}

func TestB3_CancelEndsTheConnectionAndDropsWhatIsUnread(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cause error
		want  wstest.Frame
	}{
		{"with an *Error", &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 3007, Reason: "enough"}}, wstest.Close(3007, "enough")},
		{"with one inside", errors.Join(errReason, &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1001}}), wstest.Close(1001, "")},
		{"with one that may not be sent", &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1006}}, wstest.Close(1011, "")},
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

func TestB3_CancelFinishesPendingPullsWithEOF(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		pulls := []<-chan result{goPull(t, e), goPull(t, e), goPull(t, e)}
		e.peer.Send(wstest.Text("half").Part())
		synctest.Wait()
		require.NoError(t, e.conn.Readable().Cancel(nil))
		synctest.Wait()
		for _, pulled := range pulls {
			require.Len(t, pulled, 1)
			require.Equal(t, io.EOF, (<-pulled).err)
		}
	})
}

func TestB3_CancelFinishesAPendingPullWithEOFOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{}, client)
		pulled := goPull(t, e)
		e.peer.Send(wstest.Text("half").Part(), wstest.Ping("seen"))
		e.peer.Want("the pull has read it", wstest.Pong("seen"))
		require.NoError(t, e.conn.Readable().Cancel(nil))
		require.Equal(t, io.EOF, (<-pulled).err)
	}
}

func TestB4_AllThatCameBeforeTheCloseIsDelivered(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		var frames []wstest.Frame
		for range 100 {
			frames = append(frames, wstest.Text("x"))
		}
		e.peer.Send(append(frames, wstest.Close(1000, ""))...)
		e.peer.WantClose("the Close is answered although nobody pulls", 1000)
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		for range 100 {
			require.Equal(t, "x", e.pull(t))
		}
		for range 2 {
			_, err = e.conn.Readable().Pull(patient(t))
			require.Equal(t, io.EOF, err)
		}
		for m, err := range e.conn.Readable().All(patient(t)) {
			require.FailNow(t, "a clean end yields nothing", "%v %v", m, err)
		}
	})
}

func TestB5_AfterAnUncleanEndAllThatCameWholeIsDeliveredAndThenTheSameError(t *testing.T) {
	for name, lose := range map[string]func(p *wstest.Peer){
		"closed": func(p *wstest.Peer) { p.Close() },
		"cut":    func(p *wstest.Peer) { p.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("one"), wstest.Text("two"), wstest.Ping("read"), wstest.Text("half").Part())
				e.peer.Want("all was read", wstest.Pong("read"))
				lose(e.peer)
				_, end := e.closed(t)
				var unclean *wsstream.Error
				require.ErrorAs(t, end, &unclean)
				require.Equal(t, 1006, unclean.Code)
				require.Equal(t, "one", e.pull(t))
				require.Equal(t, "two", e.pull(t))
				for range 2 {
					_, err := e.conn.Readable().Pull(patient(t))
					require.Same(t, unclean, err)
					_, err = e.conn.Readable().NextMessage(patient(t))
					require.Same(t, unclean, err)
				}
			})
		})
	}
}

func TestB5_AReadableThatHadEndedStaysAsItIs(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Readable().Cancel(nil))
		e.peer.WantClose("the Close of Cancel", 1005)
		e.peer.Close()
		_, err := e.closed(t)
		require.Error(t, err)
		_, err = e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestB6_MessagesBetweenOurCloseAndThePeersAreDelivered(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.WantClose("our Close", 1000)
		e.peer.Send(wstest.Text("still"), wstest.Text(strings.Repeat("y", 1000)), wstest.Text("here"))
		require.Equal(t, "still", e.pull(t))
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Len(t, e.pull(t), 1000)
		require.Equal(t, "here", e.pull(t))
		_, err = e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestB7_WhatComesAfterThePeersCloseIsIgnored(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("before"), wstest.Close(1000, ""), wstest.Text("after"), wstest.Ping("after"), wstest.Close(1002, "second"),
			wstest.Frame{Fin: true, Op: 0xb, Payload: []byte("not a frame")})
		e.peer.WantClose("the first Close is answered, and no ping", 1000)
		e.peer.Close()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 1000}, info)
		require.Equal(t, "before", e.pull(t))
		_, err = e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}
