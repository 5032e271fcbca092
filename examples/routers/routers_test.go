package routers_test

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/routers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var all = map[string]func(*wsstream.Acceptor, *slog.Logger) http.Handler{
	"net/http": routers.Plain,
	"chi":      routers.Chi,
	"echo":     routers.LabstackEcho,
	"gin":      routers.Gin,
}

// A book is what a server wrote into its log.
type book struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// serve serves a router over TCP, and returns what the server complained about when it has stopped.
func serve(
	t *testing.T,
	router func(*wsstream.Acceptor, *slog.Logger) http.Handler,
	acceptor *wsstream.Acceptor,
) (url string, stop func() string) {
	var complaints, requests book
	srv := httptest.NewUnstartedServer(router(acceptor, slog.New(slog.NewTextHandler(&requests, nil))))
	srv.Config.ErrorLog = log.New(&complaints, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, func() string {
		srv.Close()
		return complaints.String()
	}
}

func TestMessagesPassAndTheServerHasNothingToComplainAbout(t *testing.T) {
	for name, router := range all {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var acceptor wsstream.Acceptor
			url, stop := serve(t, router, &acceptor)
			conn := wsstream.Dial(ctx, url+"/rooms/blue", nil)
			defer conn.CloseNow()
			for _, word := range []string{"one", "two"} {
				require.NoError(t, conn.Writable().Write(ctx, wsstream.Text(word)))
				m, err := conn.Readable().Pull(ctx)
				require.NoError(t, err)
				require.Equal(t, "blue: "+word, string(m.Data))
			}
			require.NoError(t, conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000}))
			require.NoError(t, acceptor.Shutdown(ctx))
			require.Empty(t, stop(), "such as: response.WriteHeader on hijacked connection")
		})
	}
}

func TestARefusalReachesTheClient(t *testing.T) {
	for name, router := range all {
		t.Run(name, func(t *testing.T) {
			var acceptor wsstream.Acceptor
			url, stop := serve(t, router, &acceptor)
			ask := func(header http.Header) (status int, body string) {
				conn := wsstream.Dial(t.Context(), url+"/rooms/blue", &wsstream.DialOptions{Header: header})
				_, err := conn.Opened().Wait(t.Context())
				var refused *wsstream.HandshakeError
				require.ErrorAs(t, err, &refused)
				return refused.Status, string(refused.Body)
			}
			status, body := ask(http.Header{"Origin": {"https://evil.test"}})
			require.Equal(t, http.StatusForbidden, status)
			require.Contains(t, body, "https://evil.test")
			require.NoError(t, acceptor.Shutdown(t.Context()))
			status, body = ask(nil)
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, body, "the server is shutting down")
			require.Empty(t, stop())
		})
	}
}
