package wsstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A function is that of a Handler.
type function = func(conn *wsstream.Conn, r *http.Request) error

// serving dials a Handler of f in memory, and returns the client's Conn.
func serving(t *testing.T, o *wsstream.AcceptOptions, f function) *wsstream.Conn {
	conn := wstest.NewServer(t, wsstream.Handler(f, o)).Dial("/", nil)
	t.Cleanup(conn.CloseNow)
	_, err := conn.Opened().Wait(t.Context())
	require.NoError(t, err)
	return conn
}

func TestAHandlerClosesBehindWhatWasAcceptedWithTheCodeOfItsResult(t *testing.T) {
	for name, tc := range map[string]struct {
		result error
		code   int
		reason string
		eof    bool // the client's Pull gives io.EOF
	}{
		"nil":              {nil, 1000, "", true},
		"io.EOF":           {io.EOF, 1000, "", true},
		"ErrClosed":        {fmt.Errorf("here: %w", wsstream.ErrClosed), 1000, "", true},
		"an error":         {errWhy, 1011, "", false},
		"io.EOF inside":    {fmt.Errorf("here: %w", io.EOF), 1011, "", false},
		"context.Canceled": {context.Canceled, 1001, "", false},
		"an *Error": {
			&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4002, Reason: "so"}}, 4002, "so", false,
		},
		"the *Error of another connection's end": {lostEnd(t), 1011, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serving(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
					for range 10 {
						require.NoError(t, conn.Writable().Write(r.Context(), wsstream.Text("accepted")))
					}
					return tc.result
				})
				for range 10 {
					msg, err := conn.Readable().Pull(t.Context())
					require.NoError(t, err)
					require.Equal(t, "accepted", string(msg.Data))
				}
				_, err := conn.Readable().Pull(t.Context())
				require.Equal(t, tc.eof, err == io.EOF, "%v", err) //nolint:errorlint // EOF is bare
				info, err := conn.Closed().Wait(t.Context())
				require.NoError(t, err)
				require.Equal(t, wsstream.CloseInfo{Code: tc.code, Reason: tc.reason}, info)
			})
		})
	}
}

func TestWhatWasDecidedBeforeAHandlerReturnsStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := serving(t, nil, func(conn *wsstream.Conn, _ *http.Request) error {
			require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 4001, Reason: "first"}))
			return errWhy
		})
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 4001, Reason: "first"}, info)
	})
	synctest.Test(t, func(t *testing.T) {
		returned := make(chan struct{})
		conn := serving(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
			defer close(returned)
			_, err := conn.Readable().Pull(r.Context())
			require.Equal(t, 4003, wsstream.CloseCode(err))
			return errWhy
		})
		require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4003}), "the peer answers with our code")
		<-returned
	})
}

func TestAHandlerThatPanicsOrEndsItsGoroutineClosesWith1011AndGoesOn(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic("oops") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				went := make(chan any, 1)
				h := wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
					require.NoError(t, conn.Writable().Write(r.Context(), wsstream.Text("accepted")))
					end()
					return nil
				}, nil)
				srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() { went <- recover() }()
					h.ServeHTTP(w, r)
				}))
				conn := srv.Dial("/", nil)
				msg, err := conn.Readable().Pull(t.Context())
				require.NoError(t, err)
				require.Equal(t, "accepted", string(msg.Data))
				info, err := conn.Closed().Wait(t.Context())
				require.NoError(t, err)
				require.Equal(t, wsstream.CloseInfo{Code: 1011}, info)
				got := <-went
				require.Equal(t, name == "panic", got == "oops", "it is not recovered: %v", got)
			})
		})
	}
}

func TestAMessageThatAHandlerDidNotFinishIsNoSuccess(t *testing.T) {
	for name, tc := range map[string]struct {
		result error
		code   int
	}{
		"nil":       {nil, 1011},
		"an *Error": {withCode(4002), 4002},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serving(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
					w, err := conn.Writable().NewMessage(r.Context(), wsstream.TypeText)
					require.NoError(t, err)
					_, err = io.WriteString(w, "half")
					require.NoError(t, err)
					return tc.result
				})
				_, err := conn.Readable().Pull(t.Context())
				require.Equal(t, tc.code, wsstream.CloseCode(err))
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			})
		})
	}
}

func TestAHandlerWaitsForTheEndAndNoLongerThanItMay(t *testing.T) {
	for name, tc := range map[string]struct{ closeTimeout, want time.Duration }{
		"by default":                 {0, wsstream.DefaultCloseTimeout},
		"with a CloseTimeout":        {7 * time.Second, 7 * time.Second},
		"with none it waits for 5 s": {-1, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := make(chan time.Duration, 1)
				h := wsstream.Handler(func(*wsstream.Conn, *http.Request) error { return nil },
					&wsstream.AcceptOptions{CloseTimeout: tc.closeTimeout})
				srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					begin := time.Now()
					h.ServeHTTP(w, r)
					took <- time.Since(begin)
				}))
				silent, err := srv.Listener.Dial(t.Context())
				require.NoError(t, err)
				defer silent.Close()
				peer := wstest.NewPeer(t, silent, true)
				peer.DialHandshake("/") // and never answers the Close
				require.Equal(t, tc.want, <-took)
			})
		})
	}
}

// A key is one of a request's values.
type key struct{}

func TestTheContextOfAHandlersRequestHasItsValuesAndEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		h := wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
			require.Equal(t, "value", r.Context().Value(key{}))
			require.Equal(t, "room", r.PathValue("name"))
			child, cancel := context.WithCancel(r.Context())
			defer cancel()
			<-time.After(time.Minute) // long behind the middleware's timeout
			require.NoError(t, child.Err())
			conn.CloseNow()
			<-child.Done()
			ended <- context.Cause(child)
			return nil
		}, nil)
		mux := http.NewServeMux()
		mux.Handle("/{name}", h)
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), key{}, "value"), time.Second)
			defer cancel()
			mux.ServeHTTP(w, r.WithContext(ctx))
		}))
		conn := srv.Dial("/room", nil)
		defer conn.CloseNow()
		require.Equal(t, 1006, wsstream.CloseCode(<-ended))
	})
}

// TestTheConnsOwnContextEndsNoCallOnIt is law 2: with a context that has ended because the Conn has, every call finds what
// is left, and the end.
func TestTheConnsOwnContextEndsNoCallOnIt(t *testing.T) {
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
			"Pull":         func() error { _, err := e.conn.Readable().Pull(ctx); return err },
			"NextMessage":  func() error { _, err := e.conn.Readable().NextMessage(ctx); return err },
			"Write":        func() error { return w.Write(ctx, wsstream.Text("x")) },
			"Ready":        func() error { return w.Ready(ctx) },
			"NewMessage":   func() error { _, err := w.NewMessage(ctx, wsstream.TypeText); return err },
			"Close":        func() error { return w.Close(ctx) },
			"Fail":         func() error { return w.Fail(ctx, errWhy) },
			"Ping":         func() error { _, err := e.conn.Ping(ctx); return err },
			"Shutdown":     func() error { return e.conn.Shutdown(ctx, wsstream.CloseInfo{}) },
			"NetConn.Read": func() error { _, err := wsstream.NetConn(e.conn, wsstream.TypeText).Read(make([]byte, 1)); return err },
		} {
			require.Equal(t, end, call(), what)
		}
		require.NoError(t, w.Flush(ctx), "all that was accepted has left")
		_, err = e.conn.Closed().Wait(ctx)
		require.Equal(t, end, err, "a future knows no Conn")
	})
}

// TestCallsThatWaitWithTheConnsOwnContextGetItsEnd is the same for calls that wait when the Conn ends.
func TestCallsThatWaitWithTheConnsOwnContextGetItsEnd(t *testing.T) {
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
				waiting[what] = goDo(func() (m wsstream.Message, err error) { return m, call() })
			}
			e.quiet()
			e.conn.CloseNow()
			_, end := e.closed(t)
			for what, got := range waiting {
				require.Equal(t, end, (<-got).err, what)
			}
		})
		onEveryPath(t, config{}, func(t *testing.T, e *end) {
			closed := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Close(e.conn.Context()) })
			e.wantClose(t, wstest.Close(1000, ""))
			e.conn.CloseNow()
			_, end := e.closed(t)
			require.Equal(t, end, (<-closed).err)
		})
	}
}

func TestAContextThatEndedForAnotherReasonStillEndsCallsAfterTheEnd(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithCancelCause(e.conn.Context())
		cancel(errWhy) // before the Conn
		e.conn.CloseNow()
		_, err := e.conn.Readable().Pull(ctx)
		require.Equal(t, errWhy, err)
		require.Equal(t, errWhy, e.conn.Writable().Write(ctx, wsstream.Text("x")))
	})
}

func TestTheLoggerGetsTheErrorOfAHandler(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		level string // empty: none
	}{
		"nil":              {nil, ""},
		"a failure":        {errWhy, "ERROR"},
		"a deadline":       {context.DeadlineExceeded, "ERROR"},
		"an *Error":        {fmt.Errorf("reading: %w", withCode(1001)), "DEBUG"},
		"ErrClosed":        {wsstream.ErrClosed, "DEBUG"},
		"io.EOF":           {io.EOF, "DEBUG"},
		"context.Canceled": {context.Canceled, "DEBUG"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bytes.Buffer
				log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
				conn := serving(t, &wsstream.AcceptOptions{Logger: log}, func(*wsstream.Conn, *http.Request) error { return tc.err })
				<-conn.Closed().Done()
				synctest.Wait()
				if tc.level == "" {
					require.NotContains(t, b.String(), "the handler returned")
					return
				}
				require.Regexp(t, `level=`+tc.level+` msg="wsstream: the handler returned an error" error=.* url=ws://`, b.String())
			})
		})
	}
}

func TestBadOptionsAreAPanicOfHandlerAndAnErrorOfCheck(t *testing.T) {
	bad := &wsstream.AcceptOptions{ReadWindow: 1}
	require.ErrorContains(t, bad.Check(), "ReadWindow")
	require.NoError(t, (*wsstream.AcceptOptions)(nil).Check())
	require.NoError(t, new(wsstream.AcceptOptions).Check())
	f := func(*wsstream.Conn, *http.Request) error { return nil }
	require.PanicsWithError(t, bad.Check().Error(), func() { wsstream.Handler(f, bad) })
	require.PanicsWithError(t, bad.Check().Error(), func() { (&wsstream.Acceptor{Options: *bad}).Handler(f) })
	require.Panics(t, func() { wsstream.Handler(nil, nil) })
}

func TestAHandlerDoesNotCallItsFunctionForARequestThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		h := a.Handler(func(*wsstream.Conn, *http.Request) error { t.Error("called"); return nil })
		srv := wstest.NewServer(t, h)
		_, err := srv.Dial("/", &wsstream.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}}).Opened().Wait(t.Context())
		refused, ok := errors.AsType[*wsstream.HandshakeError](err)
		require.True(t, ok)
		require.Equal(t, http.StatusForbidden, refused.Status)
		require.NoError(t, a.Shutdown(t.Context()), "it is not counted any more")
	})
}

func TestShutdownWaitsForTheFunctionsOfHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		var cleaned atomic.Bool
		conn := wstest.NewServer(t, a.Handler(func(conn *wsstream.Conn, r *http.Request) error {
			_, err := conn.Readable().Pull(r.Context())
			require.Equal(t, 1001, wsstream.CloseCode(err))
			require.ErrorContains(t, err, "shutting down")
			require.Equal(t, err, conn.Writable().Write(r.Context(), wsstream.Text("x")))
			<-time.After(time.Second) // the clean-up
			cleaned.Store(true)
			return err
		})).Dial("/", nil)
		_, err := conn.Opened().Wait(t.Context())
		require.NoError(t, err)
		go func() { _, _ = conn.Readable().Pull(t.Context()) }()
		require.NoError(t, a.Shutdown(t.Context()))
		require.True(t, cleaned.Load())
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1001, info.Code)
	})
}

func TestShutdownEndsItsWaitForFunctionsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		release := make(chan struct{})
		conn := wstest.NewServer(t, a.Handler(func(*wsstream.Conn, *http.Request) error {
			<-release
			return nil
		})).Dial("/", nil)
		_, err := conn.Opened().Wait(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errWhy)
		defer cancel()
		require.Equal(t, errWhy, a.Shutdown(ctx))
		require.Zero(t, a.Len())
		close(release)
		require.NoError(t, a.Shutdown(t.Context()))
	})
}

func TestAFunctionOfAHandlerMayCallShutdownAndIsNotWaitedFor(t *testing.T) {
	for _, callers := range []int{1, 3} {
		t.Run(fmt.Sprint(callers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a wsstream.Acceptor
				var others atomic.Int32
				shut := make(chan error, callers)
				srv := wstest.NewServer(t, a.Handler(func(conn *wsstream.Conn, r *http.Request) error {
					if r.URL.Path != "/stop" {
						_, err := conn.Readable().Pull(r.Context())
						<-time.After(time.Second) // a clean-up that takes longer than the caller's own connection
						others.Add(1)
						return err
					}
					_, err := conn.Readable().Pull(r.Context())
					require.NoError(t, err)
					err = a.Shutdown(r.Context())
					require.EqualValues(t, 2, others.Load())
					shut <- err
					return nil
				}))
				var conns []*wsstream.Conn
				for _, path := range append([]string{"/a", "/b"}, slices.Repeat([]string{"/stop"}, callers)...) {
					conn := srv.Dial(path, nil)
					_, err := conn.Opened().Wait(t.Context())
					require.NoError(t, err)
					conns = append(conns, conn)
				}
				for _, conn := range conns[2:] {
					require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("stop")))
				}
				for range callers {
					require.NoError(t, <-shut)
				}
				require.NoError(t, a.Shutdown(t.Context()))
			})
		})
	}
}

func TestTheDeadlineOfAShutdownInsideAHandlerStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		release, shut := make(chan struct{}), make(chan error, 1)
		srv := wstest.NewServer(t, a.Handler(func(conn *wsstream.Conn, r *http.Request) error {
			if r.URL.Path == "/slow" {
				<-release
				return nil
			}
			ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
			defer cancel()
			begin := time.Now()
			shut <- a.Shutdown(ctx)
			require.Equal(t, time.Minute, time.Since(begin))
			return nil
		}))
		slow := srv.Dial("/slow", nil)
		_, err := slow.Opened().Wait(t.Context())
		require.NoError(t, err)
		conn := srv.Dial("/", nil)
		defer conn.CloseNow()
		require.Equal(t, context.DeadlineExceeded, <-shut)
		close(release)
		require.NoError(t, a.Shutdown(t.Context()))
	})
}

// TestAPipelineWithTheConnsOwnContextLosesNothing is law 2 for what reads through package stream: the context of a Handler's
// request ends with the connection, while something of its stream is left.
func TestAPipelineWithTheConnsOwnContextLosesNothing(t *testing.T) {
	const n = 20
	data := func(m wsstream.Message) ([]byte, error) { return m.Data, nil }
	for name, read := range map[string]func(ctx context.Context, conn *wsstream.Conn) (string, error){
		"Pipe": func(ctx context.Context, conn *wsstream.Conn) (string, error) {
			var b strings.Builder
			err := stream.Pipe(ctx, stream.ToWriter(&b), stream.Map(conn.Readable(), data), nil)
			return b.String(), err
		},
		"All": func(ctx context.Context, conn *wsstream.Conn) (all string, err error) {
			batches := stream.Batch(stream.Map(conn.Readable(), data), stream.Count[[]byte](3), time.Hour)
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
			q, idle := stream.NewQueue(wsstream.Bytes(1<<10)), stream.NewQueue(wsstream.Bytes(1<<10))
			_ = idle.Close(context.Background()) // the backend has nothing to say
			err := stream.Join(ctx, conn.Duplex(), stream.Duplex[wsstream.Message, wsstream.Message]{Readable: idle, Writable: q})
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

func TestAHandlerThatReturnsAfterTheAcceptorsShutdownMakesItNoEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		end := make(chan error, 1)
		conn := wstest.NewServer(t, a.Handler(func(conn *wsstream.Conn, r *http.Request) error {
			go func() { // ends with the connection
				for {
					if _, err := conn.Readable().Pull(r.Context()); err != nil {
						end <- err
						return
					}
				}
			}()
			<-conn.Writable().Done()
			return conn.Writable().Write(r.Context(), wsstream.Text("x"))
		})).Dial("/", nil)
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("half of an upload")))
		synctest.Wait()
		require.NoError(t, a.Shutdown(t.Context()))
		got := <-end
		told(1001, "shutting down")(t, nil, got)
	})
}

func TestAShutdownWithTheContextOfAFunctionThatHasReturnedCountsItNoMore(t *testing.T) {
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprint(slow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a wsstream.Acceptor
				var returned atomic.Bool
				shut := make(chan error, 1)
				srv := wstest.NewServer(t, a.Handler(func(conn *wsstream.Conn, r *http.Request) error {
					if r.URL.Path == "/slow" {
						_, err := conn.Readable().Pull(r.Context())
						<-time.After(time.Minute)
						returned.Store(true)
						return err
					}
					go func() { // ends with Shutdown
						<-time.After(time.Second) // the function has returned
						shut <- a.Shutdown(r.Context())
					}()
					return nil
				}))
				if slow {
					_, err := srv.Dial("/slow", nil).Opened().Wait(t.Context())
					require.NoError(t, err)
				}
				conn := srv.Dial("/", nil)
				<-conn.Closed().Done()
				require.NoError(t, <-shut)
				require.Equal(t, slow, returned.Load())
			})
		})
	}
}

func TestAHandlerThatReturnsANilErrorOfOursClosesAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := serving(t, nil, func(*wsstream.Conn, *http.Request) error {
			var e *wsstream.Error
			return e
		})
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1011, info.Code)
	})
}

// TestAWriteThatLearnsOfThePeersCloseCutsNoAnswer: a handler that learns of the end from a Write, and has a CloseNow in a
// defer, cut its own answer to the peer's Close.
func TestAWriteThatLearnsOfThePeersCloseCutsNoAnswer(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			returned := make(chan struct{})
			conn := serving(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
				defer close(returned)
				defer conn.CloseNow()
				conn.Readable().Discard()
				for {
					if err := conn.Writable().Write(r.Context(), wsstream.Text("x")); err != nil {
						return err
					}
					<-time.After(time.Millisecond)
				}
			})
			conn.Readable().Discard()
			<-time.After(10 * time.Millisecond)
			require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 4002}))
			info, err := conn.Closed().Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, 4002, info.Code)
			<-returned
		})
	}
}

// stuck is a transport that does not let itself be closed.
type stuck struct {
	net.Conn
	let chan struct{}
}

func (s stuck) Close() error {
	<-s.let
	return s.Conn.Close()
}

func TestAShutdownIsHeldUpByNoTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		near, far := memnet.Pipe(0)
		let := make(chan struct{})
		go func() { _, _ = a.AcceptConn(t.Context(), stuck{near, let}) }() // ends with the handshake
		wstest.NewPeer(t, far, true).DialHandshake("/")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		start := time.Now()
		require.Equal(t, errWhy, a.Shutdown(ctx))
		require.LessOrEqual(t, time.Since(start), 3*time.Second)
		close(let)
	})
}
