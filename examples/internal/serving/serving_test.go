package serving

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheHostIsOneThatABrowserReaches(t *testing.T) {
	for listen, want := range map[string]string{
		":0":          "localhost:",
		"0.0.0.0:0":   "localhost:",
		"127.0.0.1:0": "127.0.0.1:",
	} {
		t.Run(listen, func(t *testing.T) {
			shut := func(context.Context) error { return nil }
			answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
			require.NoError(t, Serve(t.Context(), listen, answers, shut,
				func(host string, _ func() error) error {
					require.True(t, strings.HasPrefix(host, want), host)
					defer http.DefaultClient.CloseIdleConnections()
					r, err := http.Get("http://" + host)
					if err != nil {
						return err
					}
					return r.Body.Close()
				}))
		})
	}
}
