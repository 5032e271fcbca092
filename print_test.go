package wsstream_test

import (
	"bytes"
	"io"
	"log"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// TestTheLibraryPrintsNothing is law 8: without a Logger nothing is printed about any end, or about
// a handler that fails.
func TestTheLibraryPrintsNothing(t *testing.T) {
	printed := recordOutput(t)
	for what, happen := range map[string]func(e *end){
		"the peer closes":    func(e *end) { _ = e.peer.Write(wstest.Close(1000, "")); e.peer.Close() },
		"it breaks a rule":   func(e *end) { _ = e.peer.Write(wstest.Frame{Op: 3}); e.peer.Close() },
		"it sends bad text":  func(e *end) { _ = e.peer.Write(wstest.Text("\xff")); e.peer.Close() },
		"the transport ends": func(e *end) { e.peer.Close() },
		"we cut":             func(e *end) { e.conn.CloseNow() },
	} {
		t.Run(what, func(t *testing.T) {
			inEveryWay(t, config{}, func(t *testing.T, e *end, w receiving) {
				all := w.receive(t, e).all(t)
				happen(e)
				require.Error(t, (<-all).err)
				<-e.conn.Closed().Done()
			})
		})
	}
	t.Run("a handler panics", func(t *testing.T) {
		onEveryPath(t, config{}, func(t *testing.T, e *end) {
			ended := make(chan error, 1)
			require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error {
				panic(errWhy)
			}, func(err error) { ended <- err }))
			e.peer.Send(wstest.Text("x"))
			e.peer.WantClose("the handler has failed", 1011)
			e.peer.Close()
			require.ErrorContains(t, <-ended, errWhy.Error())
		})
	})
	require.Empty(t, printed())
}

// recordOutput records what is printed, and logged by default, until the function that it returns
// is called.
func recordOutput(t *testing.T) (printed func() string) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	stdout, stderr, logger := os.Stdout, os.Stderr, slog.Default()
	var logged bytes.Buffer
	os.Stdout, os.Stderr = w, w
	log.SetOutput(w)
	slog.SetDefault(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})))
	restore := func() {
		os.Stdout, os.Stderr = stdout, stderr
		slog.SetDefault(logger)
		log.SetOutput(stderr)
		_ = w.Close()
	}
	t.Cleanup(restore)
	copied := make(chan error, 1)
	go func() { // ends when w is closed
		_, err := io.Copy(&logged, r)
		copied <- err
	}()
	return func() string {
		restore()
		require.NoError(t, <-copied)
		return logged.String()
	}
}
