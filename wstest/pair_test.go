package wstest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPairIsConnectedBothWays(t *testing.T) {
	run := func(t *testing.T) {
		d := wstest.Pair(t, &wstest.PairOptions{
			Dial:   &wsstream.DialOptions{Subprotocols: []string{"chat"}},
			Accept: &wsstream.AcceptOptions{Subprotocols: []string{"chat"}},
		})
		opened, err := d.Client.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, "chat", opened.Protocol)
		for _, c := range []struct{ from, to *wsstream.Conn }{
			{d.Client, d.Server},
			{d.Server, d.Client},
		} {
			require.NoError(t, c.from.Writable().Write(t.Context(), wsstream.Text("hello")))
			m, err := c.to.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, wsstream.Text("hello"), m)
		}
		require.NoError(t, d.Client.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
	}
	t.Run("in a bubble", func(t *testing.T) { synctest.Test(t, run) })
	t.Run("outside", run)
}

func TestPairTransportMakesFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, &wstest.PairOptions{Limit: 1 << 10})
		d.ClientNet.Stall(true)
		require.NoError(t, d.Client.Writable().Write(t.Context(), wsstream.Text("late")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := d.Server.Readable().Pull(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		d.ClientNet.Stall(false)
		m, err := d.Server.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("late"), m)

		d.ServerNet.Cut()
		_, err = d.Client.Closed().Wait(t.Context())
		lost, ok := errors.AsType[*wsstream.Error](err)
		require.True(t, ok)
		require.Equal(t, 1006, lost.Code)
	})
}

func TestServerReachesItsHandlerByPath(t *testing.T) {
	run := func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("/echo/{name}", func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			_ = conn.Writable().Write(r.Context(),
				wsstream.Text(r.PathValue("name")+" "+r.FormValue("q")))
			_ = conn.Shutdown(context.WithoutCancel(r.Context()), wsstream.CloseInfo{Code: 1000})
		})
		s := wstest.NewServer(t, mux)
		conn := s.Dial("/echo/me?q=1", nil)
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("me 1"), m)
		_, err = conn.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1000, info.Code)

		_, err = s.Dial("/nowhere", nil).Opened().Wait(t.Context())
		refused, ok := errors.AsType[*wsstream.HandshakeError](err)
		require.True(t, ok)
		require.Equal(t, http.StatusNotFound, refused.Status)
	}
	t.Run("in a bubble", func(t *testing.T) { synctest.Test(t, run) })
	t.Run("outside", run)
}
