package memnet

import (
	"context"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestListenerAcceptsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		l.Limit = 2
		for _, s := range []string{"1", "2"} {
			c, err := l.Dial(t.Context())
			require.NoError(t, err)
			mustWrite(t, c, s)
			defer c.Close()
		}
		for _, s := range []string{"1", "2"} {
			c, err := l.Accept()
			require.NoError(t, err)
			read(t, c, 8).reads(s)
			require.Equal(t, "mem:"+s, c.RemoteAddr().String())
			require.Equal(t, l.Addr(), c.LocalAddr())
			w := write(t, c, []byte("abc"))
			w.parked("the limit holds")
			c.Close()
		}
		require.NoError(t, l.Close())
	})
}

func TestListenerServesHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hello "+r.URL.Path)
		})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		tr := &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return l.Dial(ctx)
			},
		}
		res, err := (&http.Client{Transport: tr}).Get("http://example.org/you")
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, "hello /you", string(body))
		tr.CloseIdleConnections()
		require.NoError(t, srv.Shutdown(t.Context()))
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}

func TestListenerCloseEndsAcceptAndDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		queued, err := l.Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Close())
		read(t, queued, 1).fails(syscall.ECONNRESET, 0)
		_, err = l.Dial(t.Context())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, l.Close(), net.ErrClosed)
	})
}

func TestListenerCloseWakesAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		var err error
		go func() { _, err = l.Accept() }()
		synctest.Wait()
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.ErrNoProgress)
		_, dialErr := l.Dial(ctx)
		require.ErrorIs(t, dialErr, io.ErrNoProgress)
		require.NoError(t, l.Close())
		synctest.Wait()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
