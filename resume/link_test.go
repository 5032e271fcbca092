package resume_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A journal has the names of the hooks that were called.
type journal struct {
	mu    sync.Mutex
	names []string
}

func (l *journal) add(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = append(l.names, name)
}

func (l *journal) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.names)
}

func (l *journal) hooks(t *testing.T) resume.Hooks {
	return resume.Hooks{
		Connected: func(*resume.Session) { l.add("connected") },
		Lost: func(_ *resume.Session, err error) {
			if err == nil {
				t.Error("lost without an error")
			}
			l.add("lost")
		},
		Resumed: func(*resume.Session) { l.add("resumed") },
	}
}

func TestHooksTellOfConnections(t *testing.T) {
	var ofClient, ofServer journal
	inWorld(t, &resume.ServerOptions{Hooks: ofServer.hooks(t)}, nil,
		func(t *testing.T, w *world) {
			client, server := w.pair(&resume.DialOptions{Hooks: ofClient.hooks(t)})
			require.NotNil(t, client.Conn())
			require.NotNil(t, client.RemoteAddr())
			for range 2 {
				w.cut()
				w.write(client, "go on")
				w.want(server, "go on")
			}
			require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{}))
			want := []string{"connected", "lost", "resumed", "lost", "resumed"}
			require.Equal(t, want, ofClient.all())
			require.Equal(t, want, ofServer.all())
			require.Equal(t, 2, server.Resumed())
			require.Nil(t, client.RemoteAddr())
		})
}

func TestTakeoverEndsTheClientThatWasTakenOver(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.write(client, "1")
		w.want(server, "1")
		w.write(client, "kept back")
		<-time.After(time.Second)
		r := w.raw()
		r.send(hello(0, 0, 1, server.ID()))
		_, err := client.Readable().Pull(t.Context())
		require.ErrorIs(t, err, resume.ErrTakenOver)
		m, err := r.conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, u64(6+14, 6), m.Data[5:21])
	})
}

func TestTakeoverNeedsNoWordOfAHalfOpenConnection(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Conn: &wsstream.DialOptions{
			PingInterval: 5 * time.Second, PongTimeout: 5 * time.Second, CloseTimeout: time.Second,
		}})
		w.nets[0].Stall(true) // nothing arrives any more, and no end
		w.accepted[0].Stall(true)
		big := string(make([]byte, 300_000))
		w.write(server, big) // waits inside a connection that takes nothing
		w.write(client, "still here")
		w.want(server, "still here")
		w.want(client, big)
		require.Equal(t, 1, server.Resumed())
	})
}

func TestTakeoverRaces(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		first, server := w.open()
		w.write(server, "1")
		first.want(text("1"))
		first.send(ack(6, 6))
		w.write(server, "2")
		clients := make([]raw, 20)
		for i := range clients {
			clients[i] = w.raw()
			_, err := clients[i].conn.Opened().Wait(t.Context())
			require.NoError(t, err)
		}
		var wg sync.WaitGroup
		for _, r := range clients {
			wg.Go(func() { r.send(hello(6, 6, 1, rawID)) })
		}
		wg.Wait()
		<-time.After(10 * time.Second)
		var left []raw
		for _, r := range clients {
			if !isDone(r.conn.Closed().Done()) {
				left = append(left, r)
				continue
			}
			for _, err := range r.conn.Readable().All(t.Context()) {
				if err != nil {
					require.Equal(t, 4002, wsstream.CloseCode(err))
				}
			}
		}
		require.Len(t, left, 1)
		left[0].want(welcome(1<<20, 1<<20))
		left[0].want(text("2"))
		left[0].send(text("3"))
		w.want(server, "3")
	})
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAuthenticationBindsASession(t *testing.T) {
	o := &resume.ServerOptions{Authenticate: func(r *http.Request) (string, error) {
		user := r.Header.Get("User")
		if user == "" {
			return "", errors.New("no user")
		}
		return user, nil
	}}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		as := func(user string) raw {
			return newRaw(t, wsstream.Dial(t.Context(), "ws://server.test/", &wsstream.DialOptions{
				NetDial: w.netDial, Subprotocols: []string{resume.Protocol},
				Header: http.Header{"User": {user}},
			}))
		}
		alice := as("alice")
		defer alice.conn.CloseNow()
		alice.send(hello(0, 0, 0, rawID))
		server := <-w.sessions
		for _, again := range []byte{0, 1} {
			mallory := as("mallory")
			mallory.send(hello(0, 0, again, rawID))
			mallory.wantClose(4001)
		}
		w.write(server, "for alice")
		_, err := alice.conn.Readable().Pull(t.Context()) // WELCOME
		require.NoError(t, err)
		alice.want(text("for alice"))

		_, err = w.dial(nil).Opened().Wait(t.Context())
		var refused *wsstream.HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 403, refused.Status)
	})
}

func TestMaxSessionsLetsTheClientTryAgain(t *testing.T) {
	serve := func(s *resume.Session, r *http.Request) error {
		_, err := s.Readable().Pull(r.Context())
		return err
	}
	inWorld(t, &resume.ServerOptions{MaxSessions: 1}, serve, func(t *testing.T, w *world) {
		first := w.dial(nil)
		_, err := first.Opened().Wait(t.Context())
		require.NoError(t, err)
		second := w.dial(nil)
		<-time.After(10 * time.Second)
		require.False(t, isDone(second.Opened().Done()))
		require.NoError(t, first.Shutdown(t.Context(), wsstream.CloseInfo{}))
		_, err = second.Opened().Wait(t.Context())
		require.NoError(t, err)
	})
}

func TestAServerThatForgotEndsTheSession(t *testing.T) {
	o := &resume.ServerOptions{AwayTimeout: time.Second}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.offline()
		w.write(client, "unheard")
		_, err := server.Closed().Wait(t.Context())
		require.ErrorAs(t, err, new(*resume.LostError))
		w.online()
		_, err = client.Closed().Wait(t.Context())
		require.ErrorIs(t, err, resume.ErrGone)
		var lost *resume.LostError
		require.ErrorAs(t, err, &lost)
		require.Len(t, lost.Unacknowledged, 1)
		require.ErrorContains(t, err, "1 messages unacknowledged")
	})
}

func TestDialTriesUntilItsContextEnds(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		w.refuse = true
		ctx, cancel := context.WithCancelCause(t.Context())
		s := resume.Dial(ctx, "ws://server.test/", &resume.DialOptions{
			Conn: &wsstream.DialOptions{NetDial: w.netDial},
		})
		<-time.After(time.Minute)
		require.False(t, isDone(s.Closed().Done()))
		cause := errors.New("enough")
		cancel(cause)
		_, err := s.Opened().Wait(t.Context())
		require.Equal(t, cause, err)
	})
}

func TestDialConnectsOnceTheServerIsThere(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		w.refuse = true
		client := w.dial(nil)
		<-time.After(30 * time.Second)
		w.online()
		w.write(client, "hi")
		w.want(<-w.sessions, "hi")
	})
}

func TestDialReportsWhatWillNotChange(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		other := &world{t: t, listener: wstest.NewServer(t, wsstream.Handler(
			func(c *wsstream.Conn, _ *http.Request) error {
				_, err := c.Closed().Wait(t.Context())
				return err
			}, nil)).Listener}
		for name, s := range map[string]*resume.Session{
			"URL":    resume.Dial(t.Context(), "gopher://server.test/", nil),
			"window": w.dial(&resume.DialOptions{Window: -1}),
			"away":   w.dial(&resume.DialOptions{AwayTimeout: -1}),
			"protocol": resume.Dial(t.Context(), "ws://other.test/", &resume.DialOptions{
				Conn: &wsstream.DialOptions{NetDial: other.netDial},
			}),
			"options": w.dial(&resume.DialOptions{Conn: &wsstream.DialOptions{ReadWindow: 1}}),
		} {
			within(t, time.Second, func() {
				_, err := s.Opened().Wait(t.Context())
				require.Error(t, err, name)
				require.NotErrorAs(t, err, new(*resume.LostError), name)
			})
		}
	})
}

func TestPausesGrowAndAreRandom(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{AwayTimeout: time.Minute})
		var dials []time.Time
		w.prepare = func(nc *memnet.Conn) {
			dials = append(dials, time.Now())
			nc.Cut()
		}
		w.cut()
		_, err := client.Closed().Wait(t.Context())
		require.ErrorAs(t, err, new(*resume.LostError))
		server.CloseNow()
		require.Greater(t, len(dials), 6)
		require.Less(t, len(dials), 20)
		for i := range len(dials) - 1 {
			pause := dials[i+1].Sub(dials[i])
			center := min(100*time.Millisecond<<(i+1), 10*time.Second)
			require.InDelta(t, center, pause, float64(center)*0.51, "pause %d", i)
			require.NotEqual(t, center, pause)
		}
	})
}

func TestServeConnServesABareConnection(t *testing.T) {
	o := &resume.ServerOptions{Authenticate: func(r *http.Request) (string, error) {
		if r.Header.Get("User") == "" {
			return "", errors.New("no user")
		}
		return r.Host + r.URL.Path, nil
	}}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		listener := memnet.Listen()
		defer listener.Close()
		serveErr := make(chan error, 10)
		go func() {
			for {
				nc, err := listener.Accept()
				if err != nil {
					return
				}
				go func() { serveErr <- w.server.ServeConn(t.Context(), nc) }()
			}
		}()
		dial := func(user string) *resume.Session {
			return resume.Dial(t.Context(), "ws://bare.test/path", &resume.DialOptions{
				Conn: &wsstream.DialOptions{
					NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
						return listener.Dial(ctx)
					},
					Header: http.Header{"User": {user}},
				},
			})
		}
		client := dial("alice")
		w.write(client, "hi")
		w.want(<-w.sessions, "hi")
		require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{}))

		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		other := dial("")
		_, err := other.Opened().Wait(ctx)
		require.ErrorIs(t, err, resume.ErrRefused)
		require.ErrorContains(t, <-serveErr, "no user")
	})
}

// An authentication that has run out ends a session, as its refusal with 403 does. ServeConn closed
// with 1008, after which the client tried again until its AwayTimeout.
func TestRefusalOfAnOpenSessionEndsIt(t *testing.T) {
	againstScript(t, func(n int, r raw, _ []byte) {
		if n == 1 {
			r.send(welcomed)
			<-time.After(time.Second)
			r.conn.CloseNow()
			return
		}
		_ = r.conn.Close(wsstream.CloseInfo{Code: 4005})
	}, func(t *testing.T, client *resume.Session) {
		_, err := client.Closed().Wait(ending(t, 3*time.Second))
		require.ErrorIs(t, err, resume.ErrRefused)
		require.ErrorAs(t, err, new(*resume.LostError))
	})
}

// The context of a session that was lost ends the Dial of another one.
func TestLostErrorOfAnotherSessionIsLeftAlone(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		lost := &resume.LostError{Unacknowledged: []wsstream.Message{wsstream.Text("kept")}}
		w.refuse = true
		ctx, cancel := context.WithCancelCause(t.Context())
		s := resume.Dial(ctx, "ws://server.test/", &resume.DialOptions{
			Conn: &wsstream.DialOptions{NetDial: w.netDial},
		})
		cancel(lost)
		_, err := s.Closed().Wait(t.Context())
		require.ErrorIs(t, err, error(lost))
		require.Len(t, lost.Unacknowledged, 1)
	})
}

// TestReadRecalledAtTheEndTellsTheEnd: a session that was taken over took its connection back. Its
// background reader was recalled when the Close with 4002 came, and told of the recall alone.
func TestReadRecalledAtTheEndTellsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		recalled, cancel := context.WithCancel(t.Context())
		cancel()
		_, lost, err := resume.ReadLink(recalled, d.Client)
		require.False(t, lost, "the connection lives")
		require.Equal(t, context.Canceled, err)

		require.NoError(t, d.Server.Writable().Write(t.Context(), wsstream.Text("last")))
		require.NoError(t, d.Server.Close(wsstream.CloseInfo{Code: 4002}))
		<-d.Client.Readable().Done()
		m, lost, err := resume.ReadLink(recalled, d.Client)
		require.NoError(t, err)
		require.False(t, lost)
		require.Equal(t, "last", string(m.Data))
		_, lost, err = resume.ReadLink(recalled, d.Client)
		require.True(t, lost)
		require.Equal(t, 4002, wsstream.CloseCode(err))
	})
}
