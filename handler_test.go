package wsstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// TestHandlerClosesWithTheCodeOfItsResult: the Close stands behind what the function has
// written.
func TestHandlerClosesWithTheCodeOfItsResult(t *testing.T) {
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

func TestHandlerResultDoesNotChangeAnEarlierDecision(t *testing.T) {
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
		require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4003}),
			"the peer answers with our code")
		<-returned
	})
}

// TestHandlerThatPanicsClosesWith1011: the panic goes on, as does a Goexit.
func TestHandlerThatPanicsClosesWith1011(t *testing.T) {
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

func TestHandlerThatLeavesAMessageOpenCloses1011(t *testing.T) {
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

func TestHandlerWaitsForTheEndForCloseTimeout(t *testing.T) {
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
				peer := wstest.NewPeer(t, silent, wstest.AsClient)
				peer.DialHandshake("/") // and never answers the Close
				require.Equal(t, tc.want, <-took)
			})
		})
	}
}

func TestHandlerContextHasTheRequestsValuesAndEndsWithTheConn(t *testing.T) {
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

// TestHandlerErrorIsLogged: A failure is logged as an error, an end of the connection as debug.
func TestHandlerErrorIsLogged(t *testing.T) {
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
				conn := serving(t, &wsstream.AcceptOptions{Logger: log},
					func(*wsstream.Conn, *http.Request) error { return tc.err })
				<-conn.Closed().Done()
				synctest.Wait()
				if tc.level == "" {
					require.NotContains(t, b.String(), "the handler returned")
					return
				}
				require.Regexp(
					t,
					`level=`+tc.level+` msg="wsstream: the handler returned an error" error=.* url=ws://`,
					b.String(),
				)
			})
		})
	}
}

// TestHandlerPanicsForBadOptions: Check returns the same error.
func TestHandlerPanicsForBadOptions(t *testing.T) {
	bad := &wsstream.AcceptOptions{ReadWindow: 1}
	require.ErrorContains(t, bad.Check(), "ReadWindow")
	require.NoError(t, (*wsstream.AcceptOptions)(nil).Check())
	require.NoError(t, new(wsstream.AcceptOptions).Check())
	f := func(*wsstream.Conn, *http.Request) error { return nil }
	require.PanicsWithError(t, bad.Check().Error(), func() { wsstream.Handler(f, bad) })
	require.PanicsWithError(t, bad.Check().Error(),
		func() { (&wsstream.Acceptor{Options: *bad}).Handler(f) })
	require.Panics(t, func() { wsstream.Handler(nil, nil) })
}

func TestHandlerIsNotCalledForARefusedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		h := a.Handler(func(*wsstream.Conn, *http.Request) error { t.Error("called"); return nil })
		srv := wstest.NewServer(t, h)
		_, err := srv.Dial("/", &wsstream.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}}).
			Opened().
			Wait(t.Context())
		refused, ok := errors.AsType[*wsstream.HandshakeError](err)
		require.True(t, ok)
		require.Equal(t, http.StatusForbidden, refused.Status)
		require.NoError(t, a.Shutdown(t.Context()), "it is not counted any more")
	})
}

// TestHandlerThatReturnsATypedNilErrorCloses: the error is a nil *Error in an error.
func TestHandlerThatReturnsATypedNilErrorCloses(t *testing.T) {
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

// TestHandlerThatLearnsOfTheEndByWritingAnswersTheClose: a handler learns of the end from a Write,
// and has a CloseNow in a defer. It cut its own answer to the peer's Close.
func TestHandlerThatLearnsOfTheEndByWritingAnswersTheClose(t *testing.T) {
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
