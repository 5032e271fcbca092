//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/stream"
)

func TestThroughNginxThatIsRestartedASessionLosesNothing(t *testing.T) {
	ends := make(chan error, 1)
	echo := resume.NewServer(func(s *resume.Session, r *http.Request) error {
		err := stream.Pipe(r.Context(), s.Writable(), s.Readable(), nil)
		ends <- err
		return err
	}, nil)
	server := httptest.NewServer(echo)
	defer server.Close()
	dir, addr := configured(t, server.URL, documented(t))
	stop := runNginx(t, dir, addr)
	defer func() { stop() }()

	client := resume.Dial(t.Context(), "ws://"+addr+"/feed/ws", nil)
	defer client.CloseNow()
	const messages, each = 6000, 10_000
	sent := make(chan [sha256.Size]byte, 1)
	go func() {
		h := sha256.New()
		for range messages {
			m := wsstream.Binary(make([]byte, each))
			_, _ = rand.Read(m.Data)
			h.Write(m.Data)
			if err := client.Writable().Write(t.Context(), m); err != nil {
				t.Error(err)
				break
			}
		}
		sent <- [sha256.Size]byte(h.Sum(nil))
	}()
	h := sha256.New()
	for n := range messages {
		if n%1500 == 1000 {
			stop()
			stop = runNginx(t, dir, addr)
		}
		m, err := client.Readable().Pull(patient(t))
		require.NoError(t, err)
		h.Write(m.Data)
	}
	require.Equal(t, <-sent, [sha256.Size]byte(h.Sum(nil)))
	require.GreaterOrEqual(t, client.Resumed(), 4)
	require.NoError(t, client.Shutdown(patient(t), wsstream.CloseInfo{Code: 1000}))
	require.NoError(t, <-ends)
}
