package resume_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
)

func TestSessionCarriesTextAndBinaryBothWays(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		messages := []wsstream.Message{
			wsstream.Text(""), wsstream.Binary(nil), wsstream.Text("text ✓"),
			wsstream.Binary([]byte{1, 2, 0}), wsstream.Binary(make([]byte, 300_000)),
		}
		for _, way := range [][2]*resume.Session{{client, server}, {server, client}} {
			go func() {
				for _, m := range messages {
					if err := way[0].Writable().Write(t.Context(), m); err != nil {
						t.Error(err)
					}
				}
			}()
			for _, m := range messages {
				got, err := way[1].Readable().Pull(t.Context())
				require.NoError(t, err)
				require.Equal(t, m.Type, got.Type)
				require.Equal(t, string(m.Data), string(got.Data))
			}
		}
	})
}

func TestSessionContinuesAfterALoss(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.write(client, "one")
		w.want(server, "one")
		w.cut()
		w.write(client, "two")
		w.write(server, "three")
		w.want(server, "two")
		w.want(client, "three")
		require.Equal(t, 1, client.Resumed())
	})
}

func TestShutdownEndsBothSidesInOrder(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		w.write(client, "last")
		require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		w.want(server, "last")
		_, err := server.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
		require.ErrorIs(t, server.Writable().Write(t.Context(), wsstream.Text("")), wsstream.ErrClosed)
		_, err = client.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
		info, err := server.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1000, info.Code)
	})
}

func TestAwayTimeoutEndsBothSidesWithWhatWasNotAcknowledged(t *testing.T) {
	o := &resume.ServerOptions{AwayTimeout: time.Minute}
	inWorld(t, o, nil, func(t *testing.T, w *world) {
		client, server := w.pair(&resume.DialOptions{AwayTimeout: 30 * time.Second})
		w.offline()
		w.write(client, "from the client")
		require.NoError(t, server.Writable().Write(t.Context(), wsstream.Binary([]byte{1})))
		for s, want := range map[*resume.Session]wsstream.Message{
			client: wsstream.Text("from the client"), server: wsstream.Binary([]byte{1}),
		} {
			_, err := s.Closed().Wait(t.Context())
			var lost *resume.LostError
			require.ErrorAs(t, err, &lost)
			require.Equal(t, []wsstream.Message{want}, lost.Unacknowledged)
			_, pull := s.Readable().Pull(t.Context())
			require.Equal(t, err, pull)
			require.Equal(t, err, s.Writable().Write(t.Context(), want))
		}
	})
}

// A Write that waits has the messages as soon as it has the error.
func TestLostErrorIsCompleteWhenAWriteReturnsIt(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, _ := w.pair(nil)
		w.offline()
		for {
			err := client.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 10000)))
			if lost, ok := errors.AsType[*resume.LostError](err); ok {
				require.Greater(t, len(lost.Unacknowledged), 100)
				return
			}
			require.NoError(t, err)
		}
	})
}
