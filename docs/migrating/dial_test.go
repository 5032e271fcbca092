package migrating

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/docs/migrating/ours"
	"github.com/wsstream/wsstream/wstest"
)

func TestDialReturnsImmediatelyAndTheFirstCallWaitsForTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Second)
			ours.Echo.ServeHTTP(w, r)
		}))
		begun := time.Now()
		conn := srv.Dial("/", nil)
		require.Zero(t, time.Since(begun))
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("early")))
		require.GreaterOrEqual(t, time.Since(begun), time.Second)
		hear(t, conn, "early")
	})
}

func TestAContextGovernsEachCallTheDiallingToo(t *testing.T) {
	stop := errors.New("that takes too long")
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		t.Cleanup(func() { close(stuck) })
		srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stuck" {
				<-stuck
				return
			}
			ours.Echo.ServeHTTP(w, r)
		}))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		conn := wsstream.Dial(ctx, "ws://server.test/stuck", &wsstream.DialOptions{
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return srv.Listener.Dial(ctx)
			},
		})
		_, err := conn.Readable().Pull(t.Context())
		require.Equal(t, stop, err)

		conn = srv.Dial("/", nil)
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		_, err = conn.Readable().Pull(ctx)
		require.Equal(t, stop, err)
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("goes on")))
		hear(t, conn, "goes on")
	})
}
