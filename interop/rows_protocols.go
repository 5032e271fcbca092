package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// protocolRows are the protocols on top of WebSocket. Each has a program of ours in a folder of its
// own, to copy.
func protocolRows() []*trial.Row {
	return slices.Concat(
		socketioRows(),
		signalrRows(),
		phoenixRows(),
		socketclusterRows(),
		mqttRows(),
		zwsRows(),
		natsRows(),
		messageRows(),
		screenRows(),
		kubernetesRows(),
		transcriptRows(),
	)
}

// The floods of the protocols are those of the battery.
const (
	floodCount = 1024
	floodSize  = 32 << 10
	floodPause = 3 * time.Second
)

// floodTo writes messages to a peer that does nothing with them for three seconds, and notes what
// stalled the writes.
func floodTo(t *trial.T, write func(ctx context.Context, i int) error) {
	early, n := flooded(t, write)
	t.Note(battery.FloodTo, "%s", battery.Stall(early, n))
}

// flooded writes a flood, and returns how many of its messages were written early, and in three
// seconds.
func flooded(t *trial.T, write func(ctx context.Context, i int) error) (early, stalled int) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), floodPause-floodPause/10)
	defer cancel()
	n := 0
	for ; n < floodCount; n++ {
		if err := write(ctx, n); err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			break
		}
		if time.Since(began) < battery.Early {
			early = n + 1
		}
	}
	stalled = n
	for ; n < floodCount; n++ {
		require.NoError(t, write(t.Context(), n))
	}
	return early, stalled
}

// floodFrom pulls nothing for three seconds while the peer floods, notes what stalled it, and then
// calls pull for each message.
func floodFrom(t *trial.T, p *trial.Process, since int, pull func(i int)) {
	t.Note(battery.FloodFrom, "%s", stall(t, func() int { return p.Sent(since) }))
	for i := range floodCount {
		pull(i)
	}
}

// pause lets time pass: a check says why it must.
func pause(t *trial.T, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

// stall lets three seconds pass while a side floods, and says what stalled it. taken returns how many
// messages the side has taken.
func stall(t *trial.T, taken func() int) string {
	pause(t, battery.Early)
	early := taken()
	pause(t, floodPause-battery.Early)
	return battery.Stall(early, taken())
}

// A driven client does what it is told, and says how that went.
type driven interface {
	Tell(t trial.TB, format string, args ...any)
	Events() int
	Await(t trial.TB, since int, what string, wanted func(trial.Event) bool) trial.Event
}

// awaitSay waits until a peer says something that begins with text.
func awaitSay(t *trial.T, p driven, since int, text string) string {
	e := p.Await(t, since, text, func(e trial.Event) bool { return strings.HasPrefix(e.Say, text) })
	return e.Say
}

// serveHTTP starts a server of ours, which ends with the check or the trial.
func serveHTTP(t *trial.T, h http.Handler) (url string) {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "http", "ws", 1)
}

// unclean wants the end of a connection whose peer was killed.
func unclean(t *trial.T, err error) {
	require.Error(t, err)
	require.Equal(t, 1006, wsstream.CloseCode(err), "%v", err)
}

// systemPython sees Debian's packages, and a virtual environment's does not.
const systemPython = "/usr/bin/python3"

// debianPython returns the version of a package of Debian's Python.
func debianPython(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		const program = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
		return trial.Output(ctx, systemPython, "-c", program, name)
	}
}

// order tells a client of operate.mjs to do something, and returns its result as JSON.
func order(t *trial.T, p driven, name string, args ...any) string {
	result, err := try(t, p, name, args...)
	require.NoError(t, err)
	return result
}

// try is order for an operation that may fail.
func try(t *trial.T, p driven, name string, args ...any) (string, error) {
	since := p.Events()
	begin(t, p, name, args...)
	done, failed := name+": ", name+" failed: "
	e := p.Await(t, since, "the result of "+name, func(e trial.Event) bool {
		return strings.HasPrefix(e.Say, done) || strings.HasPrefix(e.Say, failed)
	})
	if text, ok := strings.CutPrefix(e.Say, failed); ok {
		return "", errors.New(text)
	}
	return strings.TrimPrefix(e.Say, done), nil
}

// begin tells a client of operate.mjs to do something, and does not wait for its result.
func begin(t *trial.T, p driven, name string, args ...any) {
	line, err := json.Marshal(append([]any{name}, args...))
	require.NoError(t, err)
	p.Tell(t, "%s", line)
}
