package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// enter lets a scripted client in, and returns the server's Conn and its transport.
func enter(t *testing.T, a *wsstream.Acceptor) (*wsstream.Conn, *wstest.Peer) {
	near, far := memnet.Pipe(0)
	type accepted struct {
		conn *wsstream.Conn
		err  error
	}
	c := make(chan accepted, 1)
	go func() {
		conn, err := a.AcceptConn(t.Context(), near)
		c <- accepted{conn, err}
	}()
	peer := wstest.NewPeer(t, far, wstest.AsClient)
	peer.DialHandshake("/")
	in := <-c
	require.NoError(t, in.err)
	t.Cleanup(func() {
		in.conn.CloseNow()
		<-in.conn.Closed().Done()
	})
	return in.conn, peer
}

// shutdown shuts down on a goroutine of its own.
func shutdown(ctx context.Context, a *wsstream.Acceptor) <-chan error {
	done := make(chan error, 1)
	go func() { done <- a.Shutdown(ctx) }()
	return done
}

func TestAcceptorKnowsItsOpenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		require.Zero(t, a.Len())
		one, peer := enter(t, &a)
		two, _ := enter(t, &a)
		require.Equal(t, 2, a.Len())
		require.ElementsMatch(t, []*wsstream.Conn{one, two}, slices.Collect(a.All()))
		for range a.All() {
			break
		}
		peer.Send(wstest.Close(1000, ""))
		peer.WantClose("answered", 1000)
		peer.Close()
		_, err := one.Closed().Wait(t.Context())
		require.NoError(t, err)
		open := slices.Collect(a.All()) // require.Equal would read what the Conn writes meanwhile
		require.Len(t, open, 1)
		require.Same(t, two, open[0])
		for c := range a.All() {
			c.CloseNow() // the loop may call anything
			require.Zero(t, a.Len())
		}
	})
}

func TestAcceptorForgetsFailedHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wsstream.Acceptor{Options: wsstream.AcceptOptions{HandshakeTimeout: time.Second}}
		bad := httptest.NewRequest(http.MethodGet, "/", nil)
		_, err := a.Accept(httptest.NewRecorder(), bad)
		require.Error(t, err)
		for name, value := range map[string]string{
			"Connection":            "Upgrade",
			"Upgrade":               "websocket",
			"Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key":     "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			bad.Header.Set(name, value)
		}
		_, err = a.Accept(httptest.NewRecorder(), bad)
		require.ErrorContains(t, err, "cannot be hijacked")
		require.Zero(t, a.Len())

		near, far := memnet.Pipe(10) // not enough for a 101
		defer far.Close()
		go wstest.NewPeer(t, far, wstest.AsClient).SendRaw(wstest.UpgradeRequest("/"))
		_, err = a.AcceptConn(t.Context(), near)
		require.ErrorContains(t, err, "HandshakeTimeout")
		require.Zero(t, a.Len())
		require.NoError(t, a.Shutdown(t.Context()))
	})
}

func TestAcceptorAppliesItsOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wsstream.Acceptor{
			Options: wsstream.AcceptOptions{WriteWindow: 1234, Subprotocols: []string{"b"}},
		}
		sizes := make(chan int, 1)
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := a.Accept(w, r)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			sizes <- conn.Writable().DesiredSize()
			_, _ = conn.Closed().Wait(t.Context())
		}))
		opened, err := srv.Dial("/", &wsstream.DialOptions{Subprotocols: []string{"a", "b"}}).
			Opened().
			Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, "b", opened.Protocol)
		require.Equal(t, 1234, <-sizes)
	})
}

func TestShutdownOfAnAcceptorSendsEverythingThen1001AndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		conn, peer := enter(t, &a)
		_, other := enter(t, &a)
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("last words")))
		done := shutdown(t.Context(), &a)
		peer.Want("what was accepted", wstest.Text("last words"))
		require.Equal(t, "the server is shutting down", peer.WantClose("the server goes", 1001))
		other.WantClose("to each", 1001)
		peer.Send(wstest.Text("mine"), wstest.Close(1001, ""))
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, "mine", string(m.Data), "there is time to finish")
		peer.Close()
		synctest.Wait()
		require.Empty(t, done, "there is another")
		require.Equal(t, 1, a.Len())
		other.Send(wstest.Close(1001, ""))
		other.Close()
		require.NoError(t, <-done)
		require.Zero(t, a.Len())
		require.NoError(t, a.Shutdown(t.Context()), "again")
	})
}

func TestShutdownOfNoConnectionsReturnsImmediately(t *testing.T) {
	var a wsstream.Acceptor
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, a.Shutdown(ctx))
}

func TestShutdownCutsAClientThatDoesNotAnswerAfterCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		conn, _ := enter(t, &a)
		start := time.Now()
		require.NoError(t, a.Shutdown(t.Context()))
		require.Equal(t, wsstream.DefaultCloseTimeout, time.Since(start))
		_, err := conn.Closed().Wait(t.Context())
		require.Equal(t, 1006, wsstream.CloseCode(err))
	})
}

func TestShutdownCutsTheRestWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		conn, peer := enter(t, &a)
		_, _ = enter(t, &a)
		ctx, cancel := withCause(t)
		first, second := shutdown(ctx, &a), shutdown(t.Context(), &a)
		peer.WantClose("the server goes", 1001)
		start := time.Now()
		cancel(errReason)
		require.Equal(t, errReason, <-first)
		require.NoError(t, <-second, "the first has cut")
		require.Zero(t, time.Since(start))
		require.Zero(t, a.Len())
		_, _, settled := conn.Closed().Peek()
		require.True(t, settled)
		peer.WantEOF("cut")
	})
}

func TestShutdownRefusesNewClientsWith503(t *testing.T) {
	t.Run("bare", func(t *testing.T) {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			var a wsstream.Acceptor
			require.NoError(t, a.Shutdown(t.Context()))
			accepted := make(chan error, 1)
			go func() {
				_, err := a.AcceptConn(patient(t), near)
				accepted <- err
			}()
			peer := wstest.NewPeer(t, far, wstest.AsClient)
			res := peer.DialHandshake("/")
			peer.CloseWrite() // or the refusal waits for that
			wantRefusal(t, res, <-accepted, 503, "the server is shutting down")
			wantDropped(t, peer)
		})
	})
	t.Run("http", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var a wsstream.Acceptor
			require.NoError(t, a.Shutdown(t.Context()))
			accepted := make(chan error, 1)
			srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := a.Accept(w, r)
				accepted <- err
			}))
			err := notOpened(t, srv.Dial("/", nil))
			var failed *wsstream.HandshakeError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, 503, failed.Status)
			require.ErrorContains(t, <-accepted,
				"the server is shutting down (status 503 Service Unavailable)")
		})
	})
}

func TestShutdownClosesAConnectionWhoseHandshakeIsBeingAnswered(t *testing.T) {
	for name, answered := range map[string]bool{"in time": true, "too late": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a wsstream.Acceptor
				near, far := memnet.Pipe(64) // less than an answer
				accepted := make(chan error, 1)
				go func() {
					_, err := a.AcceptConn(t.Context(), near)
					accepted <- err
				}()
				peer := wstest.NewPeer(t, far, wstest.AsClient)
				peer.SendRaw(wstest.UpgradeRequest("/"))
				synctest.Wait()
				require.Equal(t, 1, a.Len())
				ctx, cancel := withCause(t)
				done := shutdown(ctx, &a)
				synctest.Wait()
				require.Empty(t, done)
				require.Empty(t, accepted)
				if !answered {
					cancel(errReason)
					require.Equal(t, errReason, <-done)
					err := <-accepted
					require.Equal(t, 1006, wsstream.CloseCode(err))
					require.ErrorContains(t, err, "closed during the handshake")
					require.True(t, near.Closed())
					return
				}
				require.Equal(t, 101, peer.ReadResponse().StatusCode)
				require.NoError(t, <-accepted)
				peer.WantClose("the server goes", 1001)
				peer.Send(wstest.Close(1001, ""))
				peer.Close()
				require.NoError(t, <-done)
			})
		})
	}
}

func TestShutdownRefusesOrClosesClientsThatComeMeanwhile(t *testing.T) {
	var a wsstream.Acceptor
	var handlers sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		conn, err := a.Accept(w, r)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for range conn.Readable().All(t.Context()) {
			// until the end
		}
	}))
	defer srv.Close()
	var clients sync.WaitGroup
	var mu sync.Mutex
	ends := map[string]int{} // guarded by mu
	for range 8 {
		clients.Go(func() {
			for {
				conn := wsstream.Dial(t.Context(), srv.URL, nil)
				if _, err := conn.Opened().Wait(patient(t)); err != nil {
					var failed *wsstream.HandshakeError
					if !errors.As(err, &failed) || failed.Status != 503 {
						t.Errorf("neither refused nor closed: %v", err)
					}
					return
				}
				if _, err := conn.Readable().Pull(patient(t)); err == nil {
					t.Error("a message came")
				}
				info, err := conn.Closed().Wait(patient(t))
				mu.Lock()
				ends[info.String()]++
				mu.Unlock()
				if err != nil || info.Code != 1001 {
					t.Errorf("not closed in order: %v, %v", info, err)
				}
			}
		})
	}
	until(t, func() bool { return a.Len() >= 4 })
	require.NoError(t, a.Shutdown(patient(t)))
	require.Zero(t, a.Len())
	clients.Wait()
	handlers.Wait()
	require.Len(t, ends, 1)
}

// A lateAnswer is a transport whose writes succeed, whatever late does meanwhile.
type lateAnswer struct {
	net.Conn
	late func()
}

func (l *lateAnswer) Write(p []byte) (int, error) {
	l.late()
	return len(p), nil
}

func TestAcceptorCountsNoConnectionThatWasCutWhileItWasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m wsstream.Meter
		a := wsstream.Acceptor{Options: wsstream.AcceptOptions{IdleTimeout: time.Second, Meter: &m}}
		near, far := memnet.Pipe(0)
		cut := func() {
			for c := range a.All() {
				c.CloseNow()
			}
		}
		var err error
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, err = a.AcceptConn(t.Context(), &lateAnswer{near, cut})
		}()
		_, _ = far.Write(
			[]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
		)
		<-answered
		require.Error(t, err)
		require.NoError(t, a.Shutdown(t.Context()))
		<-time.After(time.Minute) // the options' times pass
		require.Zero(t, m.Totals().Opened)
		_ = far.Close()
	})
}

func TestShutdownWaitsForHandlers(t *testing.T) {
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

func TestShutdownStopsWaitingForHandlersWhenItsContextEnds(t *testing.T) {
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

// TestShutdownMayBeCalledByAHandler: Shutdown waits for the other handlers, and not for the
// handlers that have called it.
func TestShutdownMayBeCalledByAHandler(t *testing.T) {
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
				stops := slices.Repeat([]string{"/stop"}, callers)
				for _, path := range append([]string{"/a", "/b"}, stops...) {
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

func TestShutdownInsideAHandlerKeepsItsDeadline(t *testing.T) {
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

func TestShutdownEndsAHandlersPullWith1001AndNotEOF(t *testing.T) {
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

// TestShutdownWithTheContextOfAReturnedHandler: such a call counts as one from outside: it waits
// for all handlers.
func TestShutdownWithTheContextOfAReturnedHandler(t *testing.T) {
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

// stuck is a transport that does not let itself be closed.
type stuck struct {
	net.Conn
	let chan struct{}
}

func (s stuck) Close() error {
	<-s.let
	return s.Conn.Close()
}

func TestShutdownIsNotHeldUpByATransportThatDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		near, far := memnet.Pipe(0)
		let := make(chan struct{})
		go func() { _, _ = a.AcceptConn(t.Context(), stuck{near, let}) }() // ends with the handshake
		wstest.NewPeer(t, far, wstest.AsClient).DialHandshake("/")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		start := time.Now()
		require.Equal(t, errWhy, a.Shutdown(ctx))
		require.LessOrEqual(t, time.Since(start), 3*time.Second)
		close(let)
	})
}
