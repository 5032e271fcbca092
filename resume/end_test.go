package resume_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestEndsSayWhatHappened(t *testing.T) {
	cause := errors.New("cause")
	for name, end := range map[string]struct {
		call     func(ctx context.Context, s *resume.Session) error
		code     int   // that the peer sees
		own      error // what a later Write of the caller's returns
		peerPull error // nil: a *wsstream.Error with code
	}{
		"Close of the Writable": {
			call: func(ctx context.Context, s *resume.Session) error {
				return s.Writable().Close(ctx)
			},
			code:     1000,
			own:      wsstream.ErrClosed,
			peerPull: io.EOF,
		},
		"Shutdown": {
			call: func(ctx context.Context, s *resume.Session) error {
				return s.Shutdown(ctx, wsstream.CloseInfo{Code: 4100})
			},
			code: 4100,
			own:  wsstream.ErrClosed,
		},
		"Fail": {
			call: func(ctx context.Context, s *resume.Session) error {
				return s.Writable().Fail(ctx, cause)
			},
			code: 1011,
			own:  cause,
		},
		"Abort": {
			call: func(_ context.Context, s *resume.Session) error { return s.Writable().Abort(cause) },
			code: 1011,
			own:  cause,
		},
		"Abort with a code": {
			call: func(_ context.Context, s *resume.Session) error {
				return s.Writable().Abort(&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4101}})
			},
			code: 4101,
		},
		"Abort without a cause": {
			call:     func(_ context.Context, s *resume.Session) error { return s.Writable().Abort(nil) },
			code:     1005,
			own:      wsstream.ErrClosed,
			peerPull: io.EOF,
		},
		"Abort of a cancelled context": {
			call: func(_ context.Context, s *resume.Session) error {
				return s.Writable().Abort(context.Canceled)
			},
			code: 1001,
			own:  context.Canceled,
		},
		"Cancel": {
			call:     func(_ context.Context, s *resume.Session) error { return s.Readable().Cancel(nil) },
			code:     1005,
			own:      wsstream.ErrClosed,
			peerPull: io.EOF,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(t *testing.T, w *world) {
				client, server := w.pair(nil)
				w.write(client, "before")
				synctest.Wait()
				require.NoError(t, end.call(t.Context(), client))
				if end.own != nil {
					require.Equal(t, end.own, client.Writable().Write(t.Context(), wsstream.Text("")))
				}
				<-client.Writable().Done()
				w.want(server, "before")
				_, err := server.Readable().Pull(t.Context())
				if end.peerPull != nil {
					require.Equal(t, end.peerPull, err)
				} else {
					require.Equal(t, end.code, wsstream.CloseCode(err))
				}
				require.Error(t, server.Writable().Write(t.Context(), wsstream.Text("")))
				_, err = client.Readable().Pull(t.Context())
				require.Equal(t, io.EOF, err)
				for _, s := range []*resume.Session{client, server} {
					info, err := s.Closed().Wait(t.Context())
					require.NoError(t, err)
					require.Equal(t, end.code, info.Code)
					<-s.Readable().Done()
					require.Error(t, s.Context().Err())
					require.Nil(t, s.Conn())
				}
			})
		})
	}
}

func TestCloseRefusesABadInfo(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		require.Error(t, client.Close(wsstream.CloseInfo{Code: 1006}))
		require.Error(t, client.Close(wsstream.CloseInfo{Code: 1000, Reason: "\xff"}))
		long := wsstream.CloseInfo{Reason: string(make([]byte, 124))}
		require.Error(t, client.Shutdown(t.Context(), long))
		w.write(client, "open")
		w.want(server, "open")
	})
}

func TestCloseNowEndsBothSides(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		server.CloseNow()
		_, err := server.Readable().Pull(t.Context())
		require.ErrorContains(t, err, "CloseNow")
		_, err = client.Readable().Pull(t.Context())
		require.ErrorContains(t, err, "gave the session up")
	})
}

func TestCloseBeforeOpeningAbandons(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		w.refuse = true
		client := w.dial(nil)
		require.NoError(t, client.Close(wsstream.CloseInfo{}))
		_, err := client.Opened().Wait(t.Context())
		require.Error(t, err)
	})
}

// TestCloseSurvivesALossAtEachByte ends a session while its connection is cut after any number of
// bytes, in either direction. Both sides must end in order all the same.
func TestCloseSurvivesALossAtEachByte(t *testing.T) {
	for _, atServer := range []bool{false, true} {
		for n := range int64(120) {
			inWorld(t, nil, nil, func(t *testing.T, w *world) {
				client, server := w.pair(nil)
				w.write(client, "all")
				w.want(server, "all")
				<-time.After(time.Second)
				nc := w.nets[0]
				if atServer {
					nc = w.peerOf(0)
				}
				nc.CutAfter(n)
				go func() { _ = client.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}) }()
				for _, s := range []*resume.Session{client, server} {
					_, err := s.Closed().Wait(t.Context())
					require.NoError(t, err, "cut after %d bytes, at the server: %v", n, atServer)
				}
			})
		}
	}
}

func TestHandlerErrorIsTheCode(t *testing.T) {
	serve := func(*resume.Session, *http.Request) error {
		return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4102, Reason: "no"}}
	}
	inWorld(t, nil, serve, func(t *testing.T, w *world) {
		_, err := w.dial(nil).Readable().Pull(t.Context())
		require.Equal(t, &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4102, Reason: "no"}}, err)
	})
}

func TestHandlerMayCloseBeforeTheClientIsGreeted(t *testing.T) {
	for range 20 {
		serve := func(s *resume.Session, _ *http.Request) error {
			return s.Shutdown(context.Background(), wsstream.CloseInfo{Code: 1000})
		}
		inWorld(t, nil, serve, func(t *testing.T, w *world) {
			_, err := w.dial(nil).Readable().Pull(t.Context())
			require.Equal(t, io.EOF, err)
		})
	}
}

func TestHandlerPanicIs1011(t *testing.T) {
	serve := func(*resume.Session, *http.Request) error { panic(http.ErrAbortHandler) }
	inWorld(t, nil, serve, func(t *testing.T, w *world) {
		_, err := w.dial(nil).Readable().Pull(t.Context())
		require.Equal(t, 1011, wsstream.CloseCode(err))
	})
}

func TestHandlerContextEndsWithTheSession(t *testing.T) {
	ended := make(chan error, 1)
	serve := func(s *resume.Session, r *http.Request) error {
		for {
			if _, err := s.Readable().Pull(r.Context()); err != nil {
				<-r.Context().Done()
				ended <- err
				return err
			}
		}
	}
	inWorld(t, nil, serve, func(t *testing.T, w *world) {
		client := w.dial(nil)
		w.write(client, "1")
		require.NoError(t, client.Writable().Flush(t.Context()))
		w.cut()
		w.write(client, "2")
		require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{}))
		require.Equal(t, io.EOF, <-ended)
	})
}

func TestShutdownOfTheServerEndsItsSessions(t *testing.T) {
	serve := func(s *resume.Session, r *http.Request) error {
		_, err := s.Readable().Pull(r.Context())
		return err
	}
	inWorld(t, nil, serve, func(t *testing.T, w *world) {
		client := w.dial(nil)
		_, err := client.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, w.server.Len())
		require.NoError(t, w.server.Shutdown(t.Context()))
		require.Zero(t, w.server.Len())
		_, err = client.Readable().Pull(t.Context())
		require.Equal(t, 1001, wsstream.CloseCode(err))
		r := w.raw()
		r.send(hello(0, 0, 0, rawID))
		r.wantClose(1001)
	})
}

func TestShutdownOfTheServerGivesUpWithItsContext(t *testing.T) {
	serve := func(s *resume.Session, _ *http.Request) error {
		_, err := s.Closed().Wait(context.Background())
		return err
	}
	inWorld(t, nil, serve, func(t *testing.T, w *world) {
		client := w.dial(nil)
		_, err := client.Opened().Wait(t.Context())
		require.NoError(t, err)
		w.offline()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		require.ErrorIs(t, w.server.Shutdown(ctx), context.DeadlineExceeded)
		synctest.Wait()
		require.Zero(t, w.server.Len())
	})
}

// peerOf returns the server's end of the client's connection i.
func (w *world) peerOf(i int) *memnet.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted[i]
}

// The END of a session is a message of its connections, too.
func TestCloseWithALongReasonFitsASmallMessageLimit(t *testing.T) {
	o := &resume.ServerOptions{Conn: &wsstream.AcceptOptions{MaxMessageSize: 10}}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		end := wsstream.CloseInfo{Code: 3000, Reason: strings.Repeat("r", 123)}
		require.NoError(t, client.Close(end))
		info, err := server.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, end, info)
	})
}

// The client's END arrives, and what the server sends then is lost.
func TestCloseOfTheServerSurvivesALossAtEachByte(t *testing.T) {
	for n := range int64(60) {
		inWorld(t, nil, nil, func(t *testing.T, w *world) {
			client, server := w.pair(nil)
			<-time.After(time.Second)
			w.peerOf(0).CutAfter(n)
			require.NoError(t, server.Close(wsstream.CloseInfo{Code: 1000}))
			for _, s := range []*resume.Session{client, server} {
				_, err := s.Closed().Wait(t.Context())
				require.NoError(t, err, "cut after %d bytes", n)
			}
		})
	}
}
