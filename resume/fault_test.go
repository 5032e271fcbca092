package resume_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// The tests of what once went wrong. Each is named after it.

// The peer acknowledged a message, and its Close made the Write of that message fail before the
// acknowledgement was pulled. That ended the session with 4003.
func TestAckOfAMessageWhoseWriteFailedIsNoViolation(t *testing.T) {
	var hold atomic.Pointer[chan struct{}]
	o := &resume.ServerOptions{Conn: &wsstream.AcceptOptions{Trace: &wsstream.Trace{
		MessageIn: func(*wsstream.Conn, wsstream.Type, int64) {
			if c := hold.Load(); c != nil { // the session does not have the ACK yet
				<-*c
			}
		},
	}}}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		held := make(chan struct{})
		hold.Store(&held)
		go func() {
			_ = server.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 300_000)))
		}()
		synctest.Wait() // it waits inside of the connection: the client does not read
		r.send(ack(300_005, 300_005))
		require.NoError(t, r.conn.Close(wsstream.CloseInfo{Code: 1000}))
		<-time.After(time.Second) // the Close has come, and ends the Write
		hold.Store(nil)
		close(held)
		r.conn.CloseNow()
		r, _, _ = w.again(300_005, 300_005)
		w.write(server, "next")
		r.want(text("next"))
	})
}

// A client that opened and ended sessions made the server grow without limit.
func TestEndedSessionsAreFewAndForgotten(t *testing.T) {
	serve := func(s *resume.Session, r *http.Request) error {
		_, err := s.Readable().Pull(r.Context())
		return err
	}
	o := &resume.ServerOptions{MaxSessions: 5, AwayTimeout: time.Minute}
	inWorld(t, o, serve, func(t *testing.T, w *world) {
		for range 20 {
			client := w.dial(nil)
			_, err := client.Opened().Wait(t.Context())
			require.NoError(t, err)
			require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{}))
			require.LessOrEqual(t, w.server.Remembered(), 6)
			<-time.After(time.Second)
		}
		require.Equal(t, 5, w.server.Remembered())
		<-time.After(55*time.Second + time.Millisecond) // the first is forgotten, the last is not
		require.Equal(t, 4, w.server.Remembered())
		<-time.After(time.Minute)
		require.Zero(t, w.server.Remembered())
	})
}

// An empty message counted 16 bytes, and took 70 on the way out and 40 on the way in.
func TestAWindowOfEmptyMessagesTakesTheMemoryThatItSays(t *testing.T) {
	const window = 1 << 20
	heap := func() int64 {
		var m runtime.MemStats
		for range 3 { // what pools keep goes with the second
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	inWorld(t, &resume.ServerOptions{Window: window}, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Window: window})
		fill := func() (n int64) {
			for ok := true; ok; n++ {
				var err error
				ok, err = client.Writable().TryWrite(wsstream.Text(""))
				require.NoError(t, err)
			}
			return n - 1
		}
		before := heap()
		w.offline()
		sent := fill()
		require.EqualValues(t, window/5+1, sent)
		require.Less(t, heap()-before, int64(window*3/2), "in the replay")
		w.online()
		require.NoError(t, client.Writable().Flush(t.Context()))
		require.Less(t, heap()-before, int64(window*3/2), "in the queue of the other side")
		for range sent {
			w.want(server, "")
		}
	})
}

// Records that carry no data took memory beside a message that is not pulled.
func TestAcknowledgementsTakeNoMemoryOfAnUnpulledMessage(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		batch := text("")
		for len(batch) < 60_000 {
			batch = append(batch, ack(0, 0)...)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 200 {
			r.send(batch)
		}
		synctest.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Less(t, int64(after.HeapAlloc-before.HeapAlloc), int64(1<<20))
		for range 200 {
			w.want(server, "")
		}
	})
}

// Connections that sent no HELLO were not limited in number.
func TestConnectionsThatDoNotGreetAreLimited(t *testing.T) {
	inWorld(t, &resume.ServerOptions{MaxGreetings: 2}, nil, func(t *testing.T, w *world) {
		for range 2 {
			_, err := w.raw().conn.Opened().Wait(t.Context())
			require.NoError(t, err)
		}
		_, err := w.raw().conn.Opened().Wait(t.Context())
		var refused *wsstream.HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 503, refused.Status)

		ours, peers := memnet.Pipe(1000)
		defer ours.Close()
		require.ErrorContains(t, w.server.ServeConn(t.Context(), peers), "MaxGreetings")
		_, err = ours.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)

		client := w.dial(nil) // it tries again until the others are cut
		_, err = client.Opened().Wait(t.Context())
		require.NoError(t, err)
		for range 10 { // sessions do not count
			_, err := w.dial(nil).Opened().Wait(t.Context())
			require.NoError(t, err)
		}
	})
}

// Each connection that took a session over left the one before it open for a second, if that did
// not answer the Close. No limit counted those.
func TestTakeoversLeaveFewConnectionsBehind(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		_, server := w.open()
		const takeovers = 100
		for range takeovers {
			w.stall() // it answers no Close
			w.again(0, 0)
			synctest.Wait() // else the next may take over before this one counts
		}
		require.Equal(t, 33, w.unended())
		require.Equal(t, takeovers, server.Resumed())
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, 1, w.unended())
	})
}

// A connection for a session that had ended, and whose function had not returned, counted nowhere.
func TestConnectionsOfAnEndedSessionCountAsGreetings(t *testing.T) {
	inWorld(t, &resume.ServerOptions{MaxGreetings: 2}, nil, func(t *testing.T, w *world) {
		_, server := w.open()
		server.CloseNow()
		for range 2 {
			r := w.raw()
			_, err := r.conn.Opened().Wait(t.Context())
			require.NoError(t, err)
			w.lastAccepted().Stall(true) // so the server's Close gets no answer
			r.send(hello(0, 0, 1, rawID))
			synctest.Wait()
		}
		_, err := w.raw().conn.Opened().Wait(t.Context())
		var refused *wsstream.HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 503, refused.Status)
	})
}

// The timer of a loss fired, and a connection came before it took the lock. Or that was even lost
// again. Both ended the session.
func TestALateTimerOfALossEndsNoSession(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		<-time.After(10 * time.Minute)
		server.Expire()
		w.offline()
		<-time.After(time.Minute)
		server.Expire()
		w.online()
		w.write(client, "still here")
		w.want(server, "still here")
	})
}

// After an end in order Closed waits for the closing handshake, and CloseNow did not shorten that.
func TestCloseNowCutsTheLastClosingHandshake(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.peerOf(0).Drip(1, 100*time.Millisecond) // slower than what the client sends
		require.NoError(t, server.Close(wsstream.CloseInfo{Code: 1000}))
		<-client.Context().Done() // over, for this side
		within(t, 0, func() {
			client.CloseNow()
			info, err := client.Closed().Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1000, info.Code)
		})
	})
}

// What was pulled after HELLO had been sent, and before WELCOME came, was never acknowledged.
func TestPullBetweenTheGreetingsIsAcknowledged(t *testing.T) {
	var greeted, pulled, acked chan struct{}
	againstScript(t, func(n int, r raw, hello []byte) {
		if n == 1 {
			greeted, pulled = make(chan struct{}), make(chan struct{})
			acked = make(chan struct{})
			r.send(welcomed)
			r.send(text("1"))
			r.want(ack(6, 0))
			r.conn.CloseNow()
			return
		}
		require.Equal(t, u64(6, 0), hello[5:21])
		close(greeted)
		<-pulled
		r.send(welcomed)
		r.want(ack(6, 6))
		close(acked)
	}, func(t *testing.T, client *resume.Session) {
		_, err := client.Opened().Wait(t.Context())
		require.NoError(t, err)
		<-greeted
		_, err = client.Readable().Pull(t.Context())
		require.NoError(t, err)
		close(pulled)
		<-acked
	})
}

// A Close abandoned the session if it came between WELCOME and the settling of Opened. Messages are
// accepted by then.
func TestCloseBetweenWelcomeAndOpenedAbandonsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := resume.NewGreetedClient()
		require.NoError(t, s.Writable().Write(t.Context(), wsstream.Text("accepted")))
		require.NoError(t, s.Close(wsstream.CloseInfo{Code: 1000}))
		require.False(t, isDone(s.Closed().Done()))
		s.CloseNow()
	})
}

// A peer that answered pings and never sent its END kept a session for ever, after its function had
// returned.
func TestPeerThatNeverEndsIsGivenUp(t *testing.T) {
	returned := errors.New("returned")
	serve := func(*resume.Session, *http.Request) error { return returned }
	o := &resume.ServerOptions{AwayTimeout: time.Minute}
	inWorld(t, o, serve, func(t *testing.T, w *world) {
		r := w.raw()
		r.send(hello(0, 0, 0, rawID))
		r.want(welcome(1<<20, 1<<20), end(1011, ""))
		r.send(ack(7, 0))
		start := time.Now()
		r.wantClose(4004)
		require.Equal(t, time.Minute, time.Since(start).Round(time.Second))
		synctest.Wait()
		require.Zero(t, w.server.Len())
	})
}

func TestSessionWhosePeerNeverEndsReportsWhatWasNotAcknowledged(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		_, s := w.open()
		w.write(s, "hi")
		require.NoError(t, s.Close(wsstream.CloseInfo{Code: 1000}))
		_, err := s.Closed().Wait(t.Context())
		lost, ok := errors.AsType[*resume.LostError](err)
		require.True(t, ok, "%v", err)
		require.Len(t, lost.Unacknowledged, 1)
		require.Zero(t, lost.Away)
	})
}

// After the end Flush returned nil, although the peer had not received everything.
func TestFlushAfterALostSessionReturnsItsError(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, _ := w.pair(nil)
		w.write(client, "received")
		require.NoError(t, client.Writable().Flush(t.Context()))
		w.offline()
		w.write(client, "lost")
		require.NoError(t, client.Close(wsstream.CloseInfo{Code: 1000}))
		_, lost := client.Closed().Wait(t.Context())
		require.ErrorAs(t, lost, new(*resume.LostError))
		require.Equal(t, lost, client.Writable().Flush(t.Context()))
	})
}

func TestFlushAfterALostSessionThatLostNothingReturnsNil(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, _ := w.pair(nil)
		w.write(client, "received")
		require.NoError(t, client.Writable().Flush(t.Context()))
		client.CloseNow()
		require.NoError(t, client.Writable().Flush(t.Context()))
	})
}

// The END, whose bytes count, took the place of the dropped messages.
func TestFlushOfWhatAnAbortDropsFails(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.write(client, "received")
		require.NoError(t, client.Writable().Flush(t.Context()))
		w.offline()
		synctest.Wait() // so the message is not sent
		w.write(client, "hi")
		flushed := make(chan error, 1)
		go func() { flushed <- client.Writable().Flush(t.Context()) }()
		synctest.Wait()
		cause := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 3000, Reason: "longer"}}
		require.NoError(t, client.Writable().Abort(cause))
		w.online()
		w.want(server, "received")
		_, err := client.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, error(cause), <-flushed)
		require.Equal(t, error(cause), client.Writable().Flush(t.Context()))
	})
}

// The peer refused a greeting with numbers that are no positions.
func TestLimitsBeyondThePositionsOpenASession(t *testing.T) {
	server := &resume.ServerOptions{
		Conn: &wsstream.AcceptOptions{MaxMessageSize: math.MaxInt}, Window: math.MaxInt,
	}
	inWorld(t, server, nil, func(t *testing.T, w *world) {
		client, theirs := w.pair(&resume.DialOptions{
			Conn: &wsstream.DialOptions{MaxMessageSize: math.MaxInt}, Window: math.MaxInt,
		})
		w.write(client, "hi")
		w.want(theirs, "hi")
	})
}

func TestEndThatBeginsAfterTheSessionStartsNoTimer(t *testing.T) {
	s := resume.NewGreetedClient()
	s.CloseNow()
	s.BeginEnd()
	require.False(t, s.Ending())
}
