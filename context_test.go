package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

func TestContextOfAConnEndsWithACleanClose(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx := e.conn.Context()
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		require.NoError(t, ctx.Err())
		e.peer.Send(wstest.Close(4001, "enough"))
		e.peer.WantClose("answered", 4001)
		e.peer.Close()
		<-child.Done()
		require.Equal(t, context.Canceled, ctx.Err())
		cause := context.Cause(ctx)
		require.NotErrorIs(t, cause, wsstream.ErrClosed)
		var end *wsstream.Error
		require.ErrorAs(t, cause, &end)
		require.Equal(t, wsstream.CloseInfo{Code: 4001, Reason: "enough"}, end.CloseInfo)
		require.Equal(t, 4001, wsstream.CloseCode(cause))
		require.Same(t, cause, context.Cause(child))
		_, err := e.conn.Readable().Pull(t.Context())
		require.Same(t, cause, err, "it is the end that pulls have")
		_, _, settled := e.conn.Closed().Peek()
		require.True(t, settled, "Closed settles first")
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx := e.conn.Context()
		e.peer.Send(wstest.Close(1000, "enough"))
		e.peer.WantClose("answered", 1000)
		e.peer.Close()
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), wsstream.ErrClosed, "pulls end with io.EOF")
		require.Equal(t, 1000, wsstream.CloseCode(context.Cause(ctx)))
	})
}

func TestContextOfAConnEndsWithTheErrorOfClosed(t *testing.T) {
	for name, f := range map[string]func(e *end){
		"CloseNow":      func(e *end) { e.conn.CloseNow() },
		"a lost peer":   func(e *end) { e.peer.Close() },
		"a broken rule": func(e *end) { _ = e.peer.Write(wstest.Cont(nil, true)); e.peer.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				ctx := e.conn.Context()
				pulled := goPull(t, e)
				f(e)
				<-ctx.Done()
				_, err := e.closed(t)
				require.Error(t, err)
				require.Equal(t, err, context.Cause(ctx))
				<-pulled
			})
		})
	}
}

func TestContextOfAConnIsAlwaysTheSame(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx := e.conn.Context()
		require.Equal(t, ctx, e.conn.Context())
		e.conn.CloseNow()
		<-ctx.Done()
		require.Equal(t, ctx, e.conn.Context())
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.conn.CloseNow()
		_, err := e.closed(t)
		require.Equal(t, context.Canceled, e.conn.Context().Err(), "after the end it has ended")
		require.Equal(t, err, context.Cause(e.conn.Context()))
	})
}

func TestContextOfAConnEndsWithAFailedHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		var d dialled
		conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				<-wait
				return d.dial(ctx, network, addr)
			},
		})
		ctx := conn.Context()
		synctest.Wait()
		require.NoError(t, ctx.Err())
		close(wait)
		<-ctx.Done()
		require.Equal(t, notOpened(t, conn), context.Cause(ctx))
	})
}

// TestContextOfAConnEndsNoCallOnIt is law 2: with a context that has ended because the Conn has,
// every call finds what is left, and the end.
func TestContextOfAConnEndsNoCallOnIt(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithTimeout(e.conn.Context(), time.Hour)
		defer cancel()
		ctx = context.WithValue(ctx, key{}, "value")
		waiting := goDo(func() (wsstream.Message, error) { return e.conn.Readable().Pull(ctx) })
		e.quiet()
		for i := range 20 {
			e.peer.Send(wstest.Text(fmt.Sprint(i)))
		}
		e.peer.Send(wstest.Close(4001, "bye"))
		e.wantClose(t, wstest.Close(4001, ""))
		e.drop(t)
		<-ctx.Done()
		first := <-waiting
		require.NoError(t, first.err)
		require.Equal(t, "0", string(first.msg.Data))
		for i := 1; i < 19; i++ {
			msg, err := e.conn.Readable().Pull(ctx)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), string(msg.Data))
		}
		r, err := e.conn.Readable().NextMessage(ctx)
		require.NoError(t, err)
		last, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "19", string(last))

		_, end := e.conn.Readable().Pull(t.Context())
		told(4001, "bye")(t, e, end)
		w := e.conn.Writable()
		for what, call := range map[string]func() error{
			"Pull":        func() error { _, err := e.conn.Readable().Pull(ctx); return err },
			"NextMessage": func() error { _, err := e.conn.Readable().NextMessage(ctx); return err },
			"Write":       func() error { return w.Write(ctx, wsstream.Text("x")) },
			"Ready":       func() error { return w.Ready(ctx) },
			"NewMessage":  func() error { _, err := w.NewMessage(ctx, wsstream.TypeText); return err },
			"Close":       func() error { return w.Close(ctx) },
			"Fail":        func() error { return w.Fail(ctx, errWhy) },
			"Ping":        func() error { _, err := e.conn.Ping(ctx); return err },
			"Shutdown":    func() error { return e.conn.Shutdown(ctx, wsstream.CloseInfo{}) },
			"NetConn.Read": func() error {
				_, err := wsstream.NetConn(e.conn, wsstream.TypeText).Read(make([]byte, 1))
				return err
			},
		} {
			require.Equal(t, end, call(), what)
		}
		require.NoError(t, w.Flush(ctx), "all that was accepted has left")
		_, err = e.conn.Closed().Wait(ctx)
		require.Equal(t, end, err, "a future knows no Conn")
	})
}

// TestContextOfAConnEndsWaitingCallsWithTheConnsEnd is the same for calls that wait when the Conn
// ends.
func TestContextOfAConnEndsWaitingCallsWithTheConnsEnd(t *testing.T) {
	for range 20 { // the end and the context's end are seen in any order
		onEveryPath(t, config{WriteWindow: 256, Limit: 16 << 10}, func(t *testing.T, e *end) {
			ctx, w := e.conn.Context(), e.conn.Writable()
			e.stuff(t, true)
			waiting := map[string]<-chan result{}
			for what, call := range map[string]func() error{
				"Pull":         func() error { _, err := e.conn.Readable().Pull(ctx); return err },
				"another Pull": func() error { _, err := e.conn.Readable().Pull(ctx); return err },
				"Write":        func() error { return w.Write(ctx, wsstream.Text("x")) },
				"Ready":        func() error { return w.Ready(ctx) },
				"Flush":        func() error { return w.Flush(ctx) },
				"Ping":         func() error { _, err := e.conn.Ping(ctx); return err },
			} {
				waiting[what] = goErr(func() error { return call() })
			}
			e.quiet()
			e.conn.CloseNow()
			_, end := e.closed(t)
			for what, got := range waiting {
				require.Equal(t, end, (<-got).err, what)
			}
		})
		onEveryPath(t, config{}, func(t *testing.T, e *end) {
			closed := goErr(func() error { return e.conn.Writable().Close(e.conn.Context()) })
			e.wantClose(t, wstest.Close(1000, ""))
			e.conn.CloseNow()
			_, end := e.closed(t)
			require.Equal(t, end, (<-closed).err)
		})
	}
}

// TestContextThatEndedForAnotherReasonStillEndsCalls: it ends them after the end of the Conn,
// too.
func TestContextThatEndedForAnotherReasonStillEndsCalls(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithCancelCause(e.conn.Context())
		cancel(errWhy) // before the Conn
		e.conn.CloseNow()
		_, err := e.conn.Readable().Pull(ctx)
		require.Equal(t, errWhy, err)
		require.Equal(t, errWhy, e.conn.Writable().Write(ctx, wsstream.Text("x")))
	})
}

// TestContextOfAConnLosesNothingInAPipeline checks law 2 for programs that read through package
// stream. The context of a Handler's request ends with the connection, while chunks of its stream
// are left.
func TestContextOfAConnLosesNothingInAPipeline(t *testing.T) {
	const n = 20
	data := func(m wsstream.Message) ([]byte, error) { return m.Data, nil }
	for name, read := range map[string]func(ctx context.Context, conn *wsstream.Conn) (string, error){
		"Pipe": func(ctx context.Context, conn *wsstream.Conn) (string, error) {
			var b strings.Builder
			err := stream.Pipe(ctx, stream.ToWriter(&b), stream.Map(conn.Readable(), data), nil)
			return b.String(), err
		},
		"All": func(ctx context.Context, conn *wsstream.Conn) (all string, err error) {
			batches := stream.Batch(stream.Map(conn.Readable(), data), stream.Count(3), time.Hour)
			for batch, err := range stream.All(ctx, batches) {
				if err != nil {
					return all, err
				}
				all += string(bytes.Join(batch, nil))
			}
			return all, nil
		},
		"Pull": func(ctx context.Context, conn *wsstream.Conn) (all string, err error) {
			chunks := stream.Filter(stream.Map(conn.Readable(), data), func([]byte) bool { return true })
			for {
				chunk, err := chunks.Pull(ctx)
				if err == io.EOF { //nolint:errorlint // EOF is bare
					return all, nil
				}
				if err != nil {
					return all, err
				}
				all += string(chunk)
			}
		},
		"Join": func(ctx context.Context, conn *wsstream.Conn) (string, error) {
			q, idle := stream.NewQueueOf(wsstream.Bytes(1<<10)), stream.NewQueueOf(wsstream.Bytes(1<<10))
			_ = idle.Close(context.Background()) // the backend has nothing to say
			err := stream.Join(ctx, conn.Duplex(), stream.Duplex[wsstream.Message, wsstream.Message]{
				Readable: idle,
				Writable: q,
			})
			var all string
			for m, err := range stream.All(context.Background(), q) {
				if err != nil {
					return all, err
				}
				all += string(m.Data)
			}
			return all, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, failed := make(chan string, 1), make(chan error, 1)
				conn := serving(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
					ctx, cancel := context.WithCancel(r.Context())
					defer cancel()
					<-ctx.Done()
					all, err := read(ctx, conn)
					got <- all
					failed <- err
					return err
				})
				for i := range n {
					require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(string(rune('a'+i)))))
				}
				require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
				require.Equal(t, "abcdefghijklmnopqrst", <-got)
				require.NoError(t, <-failed)
			})
		})
	}
}

// TestContextOfAConnEndsNoLoopAtItsDeadline: once the Conn has ended, its context ends no Pull, and
// the deadline of a context that was made from it does not either.
func TestContextOfAConnEndsNoLoopAtItsDeadline(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithTimeout(e.conn.Context(), time.Minute)
		defer cancel()
		e.peer.Send(wstest.Text("a"), wstest.Text("b"), wstest.Text("c"), wstest.Close(1000, ""))
		e.wantClose(t, wstest.Close(1000, ""))
		e.drop(t)
		<-ctx.Done()
		var got string
		for m, err := range e.conn.Readable().All(ctx) {
			require.NoError(t, err)
			got += string(m.Data)
			<-time.After(time.Minute)
		}
		require.Equal(t, "abc", got)
	})
}
