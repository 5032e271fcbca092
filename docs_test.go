package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// thousandRuns calls f for each of 1,000 runs, eight at a time, and fails the test for those that
// fail.
func thousandRuns(t *testing.T, f func(run int) error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, 1000)
	for first := range 8 {
		all.Go(func() {
			for run := first; run < len(errs); run += 8 {
				if err := f(run); err != nil {
					errs[run] = fmt.Errorf("run %d: %w", run, err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

func TestDocsEchoAndShoutLoseNothingIn1000Runs(t *testing.T) {
	srv := httptest.NewServer(echo)
	defer srv.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	require.NoError(t, err)
	defer file.Close()
	stdout := os.Stdout
	os.Stdout = file // which shout prints to
	defer func() { os.Stdout = stdout }()
	want := map[string]int{}
	for run := range 1000 {
		want[fmt.Sprint("one ", run)]++
		want[fmt.Sprint("two ", run)]++
	}
	thousandRuns(t, func(run int) error {
		return shout(patient(t), srv.URL, fmt.Sprint("one ", run), fmt.Sprint("two ", run))
	})
	answers, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	got := map[string]int{}
	for line := range strings.Lines(string(answers)) {
		got[strings.TrimSpace(line)]++
	}
	require.Equal(t, want, got)
}

func TestDocsHandlerLosesNothingIn1000Runs(t *testing.T) {
	tenWrites := func(ctx context.Context, conn *wsstream.Conn) error {
		for i := range 10 {
			if err := conn.Writable().Write(ctx, wsstream.Text(fmt.Sprint("message ", i))); err != nil {
				return err
			}
		}
		return nil
	}
	for name, tc := range map[string]struct {
		handler http.Handler
		end     func(error) bool // that the client sees behind the messages
	}{
		"before its deferred CloseNow": {
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := wsstream.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer conn.CloseNow()
				_ = tenWrites(r.Context(), conn)
			}),
			func(err error) bool { return wsstream.CloseCode(err) == 1006 }, // it has sent no Close
		},
		"before it returns to Handler": {
			wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
				return tenWrites(r.Context(), conn)
			}, nil),
			func(err error) bool { return err == io.EOF },
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tc.handler)
			defer srv.Close()
			thousandRuns(t, func(int) error {
				ctx := patient(t)
				conn := wsstream.Dial(ctx, srv.URL, nil)
				defer conn.CloseNow()
				for i := range 10 {
					m, err := conn.Readable().Pull(ctx)
					if err != nil {
						return fmt.Errorf("message %d of 10: %w", i, err)
					}
					if want := fmt.Sprint("message ", i); string(m.Data) != want {
						return fmt.Errorf("got %q, want %q", m.Data, want)
					}
				}
				if _, err := conn.Readable().Pull(ctx); !tc.end(err) {
					return fmt.Errorf("behind the last message: %w", err)
				}
				return nil
			})
		})
	}
}

func TestDocsShowTheCodeThatIsTested(t *testing.T) {
	var tested []byte
	examples, err := filepath.Glob("example*_test.go")
	require.NoError(t, err)
	for _, name := range examples {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		tested = append(tested, file...)
	}
	for _, name := range []string{"README.md", "docs/proxies.md", "docs/windows.md"} {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
		require.NotEmpty(t, blocks, name)
		for _, block := range blocks {
			for part := range strings.SplitSeq(strings.TrimSpace(string(block[1])), "\n\n") {
				require.Contains(t, string(tested), part, name)
			}
		}
	}
}
