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
	"github.com/wsstream/wsstream/stream"
)

var errEnough = errors.New("enough")

// ending returns a context that ends after d with errEnough.
func ending(t *testing.T, d time.Duration) context.Context {
	ctx, stop := context.WithTimeoutCause(t.Context(), d, errEnough)
	t.Cleanup(stop)
	return ctx
}

func TestPullWhoseContextEndsConsumesNothing(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		for _, d := range []time.Duration{0, time.Millisecond, time.Minute} {
			_, err := server.Readable().Pull(ending(t, d)) // inline, or recalling the reader
			require.Equal(t, errEnough, err)
		}
		w.cut()
		_, err := server.Readable().Pull(ending(t, time.Millisecond)) // without a connection
		require.Equal(t, errEnough, err)
		w.write(client, "1")
		w.want(server, "1")
	})
}

func TestPullsAreServedInOrder(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		got := make(chan string, 3)
		for _, want := range []string{"1", "2", "3"} {
			go func() {
				m, err := server.Readable().Pull(t.Context())
				if err != nil || string(m.Data) != want {
					t.Errorf("%s: %s, %v", want, m.Data, err)
				}
				got <- want
			}()
			synctest.Wait()
		}
		for _, text := range []string{"1", "2", "3"} {
			w.write(client, text)
			require.Equal(t, text, <-got)
		}
	})
}

func TestPullThatGivesUpLeavesItsTurnToTheNext(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		first := make(chan error, 1)
		go func() {
			_, err := server.Readable().Pull(ending(t, time.Second))
			first <- err
		}()
		synctest.Wait()
		_, err := server.Readable().Pull(ending(t, time.Millisecond))
		require.Equal(t, errEnough, err)
		require.Equal(t, errEnough, <-first)
		w.write(client, "1")
		w.want(server, "1")
	})
}

func TestUnpulledMessagesAreKeptInOrder(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		for _, text := range []string{"1", "2", "3"} {
			w.write(client, text)
			<-time.After(time.Second) // the background reader has it
		}
		require.NoError(t, client.Writable().Flush(t.Context()))
		require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{}))
		for _, text := range []string{"1", "2", "3"} {
			w.want(server, text)
		}
		_, err := server.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestWriteWaitsBehindAFullWindow(t *testing.T) {
	o := &resume.ServerOptions{Window: 1000}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		text := strings.Repeat("x", 495)
		for range 2 {
			w.write(client, text)
		}
		require.Zero(t, client.Writable().DesiredSize())
		ctx := ending(t, time.Hour)
		require.Equal(t, errEnough, client.Writable().Write(ctx, wsstream.Text("no")))
		require.Equal(t, errEnough, client.Writable().Ready(ending(t, time.Second)))
		ok, err := client.Writable().TryWrite(wsstream.Text("no"))
		require.NoError(t, err)
		require.False(t, ok)
		w.want(server, text)
		require.NoError(t, client.Writable().Ready(t.Context()))
		w.write(client, "third")
		w.want(server, text)
		w.want(server, "third")
	})
}

func TestWriteWaitsWhileAwayBehindAFullWindow(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Window: 1000})
		w.offline()
		text := strings.Repeat("x", 495)
		for range 2 {
			w.write(client, text)
		}
		require.Equal(t, errEnough,
			client.Writable().Write(ending(t, time.Minute), wsstream.Text("no")))
		w.online()
		w.want(server, text)
		w.write(client, "third")
		w.want(server, text)
		w.want(server, "third")
	})
}

func TestWritesWaitInOrder(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Window: 256})
		w.write(client, strings.Repeat("x", 256))
		for _, text := range []string{"1", "2", "3"} {
			go func() {
				if err := client.Writable().Write(t.Context(), wsstream.Text(text)); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		closed := make(chan error, 1)
		go func() { closed <- client.Writable().Close(t.Context()) }()
		synctest.Wait()
		w.want(server, strings.Repeat("x", 256))
		for _, text := range []string{"1", "2", "3"} {
			w.want(server, text)
		}
		require.NoError(t, <-closed)
	})
}

func TestCloseWhoseContextEndsBeforeItsTurnChangesNothing(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Window: 256})
		big := strings.Repeat("x", 256)
		w.write(client, big)
		go func() { _ = client.Writable().Write(t.Context(), wsstream.Text("1")) }()
		synctest.Wait()
		require.Equal(t, errEnough, client.Writable().Close(ending(t, time.Second)))
		w.want(server, big)
		w.want(server, "1")
		w.write(client, "2")
		w.want(server, "2")
	})
}

func TestWriteChecksItsMessage(t *testing.T) {
	o := &resume.ServerOptions{Conn: &wsstream.AcceptOptions{MaxMessageSize: 100}}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		for name, m := range map[string]wsstream.Message{
			"type":  {Data: []byte("x")},
			"UTF-8": wsstream.Text("\xff"),
			"size":  wsstream.Binary(make([]byte, 101)),
		} {
			require.Error(t, client.Writable().Write(t.Context(), m), name)
			_, err := client.Writable().TryWrite(m)
			require.Error(t, err, name)
		}
		require.NoError(t, client.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 100))))
		m, err := server.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Len(t, m.Data, 100)
	})
}

func TestAbortDropsWhatWasNeverSent(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.write(client, "sent")
		w.want(server, "sent")
		w.offline()
		<-time.After(time.Second)
		w.write(client, "dropped")
		require.NoError(t, client.Writable().Abort(errEnough))
		w.online()
		_, err := server.Readable().Pull(t.Context())
		require.Equal(t, 1011, wsstream.CloseCode(err))
		require.Equal(t, errEnough, client.Writable().Close(t.Context()))
	})
}

func TestCancelDropsWhatCame(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Window: 256})
		w.write(client, strings.Repeat("x", 300))
		<-time.After(time.Second)
		require.NoError(t, server.Readable().Cancel(nil))
		_, err := server.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
		_, err = client.Closed().Wait(t.Context())
		require.NoError(t, err)
	})
}

func TestTryWriteNeverWaits(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.accepted[0].Stall(true)
		w.nets[0].Stall(true)
		n := 0
		for ; ; n++ {
			ok, err := client.Writable().TryWrite(wsstream.Binary(make([]byte, 10_000)))
			require.NoError(t, err)
			if !ok {
				synctest.Wait() // for the goroutine that sends
				if client.Writable().DesiredSize() <= 0 {
					break
				}
			}
		}
		w.accepted[0].Stall(false)
		w.nets[0].Stall(false)
		for range 104 {
			m, err := server.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Len(t, m.Data, 10_000)
		}
	})
}

func TestPipesJoinSessions(t *testing.T) {
	serve := func(s *resume.Session, r *http.Request) error { // an echo
		return stream.Pipe(r.Context(), s.Writable(), s.Readable(), nil)
	}
	inWorld(t, nil, serve, func(t *testing.T, w *world) {
		client := w.dial(nil)
		for range 100 {
			w.write(client, "echo")
			w.want(client, "echo")
		}
		w.cut()
		w.write(client, "echo")
		w.want(client, "echo")
		d := client.Duplex()
		require.NoError(t, d.Writable.Close(t.Context()))
		for _, err := range client.Readable().All(t.Context()) {
			require.NoError(t, err)
		}
	})
}

// TestNeitherSidePulls fills both windows. Acknowledgements must still pass: they are not behind
// the data of a program that does not pull.
func TestNeitherSidePulls(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{Window: 200_000})
		for _, s := range []*resume.Session{client, server} {
			for s.Writable().DesiredSize() > 0 {
				require.NoError(t, s.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 5000))))
			}
			require.NoError(t, s.Writable().Flush(t.Context()))
		}
		for range 40 {
			_, err := server.Readable().Pull(t.Context())
			require.NoError(t, err)
		}
		w.write(client, "room again")
	})
}

// A Write of a long message writes to the connection itself.
func TestWriteOfALongMessageIsAcceptedOnceIfItsContextOrConnectionEnds(t *testing.T) {
	long := func(i int) string { return strings.Repeat(string(rune('a'+i)), 40<<10) }
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{
			Conn: &wsstream.DialOptions{WriteWindow: 1 << 10, CloseTimeout: time.Second},
		})
		stall := func(on bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.nets[len(w.nets)-1].Stall(on)
			w.accepted[len(w.accepted)-1].Stall(on)
		}
		stall(true)
		start := time.Now()
		for i := range 4 { // one of them waits for the connection
			require.NoError(t, client.Writable().Write(ending(t, time.Second), wsstream.Text(long(i))))
		}
		require.Less(t, start, time.Now())
		stall(false)
		for i := range 4 {
			w.want(server, long(i))
		}

		stall(true)
		wrote := make(chan error)
		go func() {
			for i := range 4 {
				wrote <- client.Writable().Write(t.Context(), wsstream.Text(long(i)))
			}
		}()
		n := 0
		for waits := false; !waits; {
			synctest.Wait()
			select {
			case err := <-wrote:
				require.NoError(t, err)
				n++
			default:
				waits = true
			}
		}
		require.Less(t, n, 4)
		w.cut()
		for ; n < 4; n++ {
			require.NoError(t, <-wrote)
		}
		for i := range 4 {
			w.want(server, long(i))
		}
		w.write(client, "end")
		w.want(server, "end")
	})
}
