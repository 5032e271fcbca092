package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// A report is what bench prints with --json.
type report struct {
	Mode       string
	Slow       int
	Seconds    float64
	Sent       struct{ Messages, Bytes int64 }
	Received   struct{ Messages, Bytes int64 }
	Unanswered int64
	Early      int64 `json:"closed_early"`
	Corrected  bool
	Latency    map[string]float64 `json:"latency_ms"`
}

func runBench(t *testing.T, args ...string) (r report) {
	t.Helper()
	stdout, _ := start(t, append([]string{"bench", "--json"}, args...)...).wantEnd(0)
	require.NoError(t, json.Unmarshal([]byte(stdout), &r), stdout)
	return r
}

func TestBenchMeasuresAnswers(t *testing.T) {
	for _, inFlight := range []string{"1", "8"} {
		r := runBench(t, "--connections", "3", "--size", "1KiB", "--duration", "200ms", "--in-flight",
			inFlight, server(t, nil, echo))
		require.Equal(t, "echo", r.Mode)
		require.Greater(t, r.Sent.Messages, int64(3))
		require.Equal(t, r.Sent.Messages*1024, r.Sent.Bytes)
		require.InDelta(t, r.Sent.Messages, r.Received.Messages, 24)
		require.Zero(t, r.Unanswered)
		require.False(t, r.Corrected)
		require.Positive(t, r.Latency["p50"])
		require.GreaterOrEqual(t, r.Latency["max"], r.Latency["p99"])
	}
}

func TestBenchSendsEachMessageThatIsDue(t *testing.T) {
	var got atomic.Int64
	r := runBench(t, "--connections", "4", "--text", "--rate", "200", "--duration", "500ms",
		"--drain", "1m",
		server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
			for m, err := range conn.Readable().All(r.Context()) {
				if err != nil {
					return err
				}
				if m.Type == wsstream.TypeText {
					got.Add(1)
				}
				if err := conn.Writable().Write(r.Context(), m); err != nil {
					return err
				}
			}
			return nil
		}))
	require.EqualValues(t, 100, got.Load())
	require.True(t, r.Corrected)
	require.Zero(t, r.Unanswered)
}

// stalls echoes, and stalls once.
func stalls(t *testing.T) string {
	const stall = 400 * time.Millisecond
	return server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
		n := 0
		for m, err := range conn.Readable().All(r.Context()) {
			if err != nil {
				return err
			}
			if n++; n == 20 {
				<-time.After(stall)
			}
			if err := conn.Writable().Write(r.Context(), m); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestLatenciesWithARateAreCorrectedForCoordinatedOmission(t *testing.T) {
	r := runBench(t, "--connections", "1", "--rate", "100", "--duration", "1s", stalls(t))
	require.Greater(t, r.Latency["p90"], 150.0, "40 of 100 messages were late")
	r = runBench(t, "--connections", "1", "--duration", "1s", stalls(t))
	require.Less(t, r.Latency["p90"], 150.0, "one message of many was late")
	require.Greater(t, r.Latency["max"], 350.0)
}

func TestBenchTakesASourceToItsEnd(t *testing.T) {
	r := runBench(t, "--mode", "source", "--connections", "2", "--duration", "1m", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			for range 1000 {
				if err := conn.Writable().Write(r.Context(), wsstream.Text("x")); err != nil {
					return err
				}
			}
			return nil
		}))
	require.EqualValues(t, 2000, r.Received.Messages)
	require.Zero(t, r.Sent.Messages)
	require.Empty(t, r.Latency)
}

func TestBenchFillsASinkThatMayAnswer(t *testing.T) {
	r := runBench(t, "--mode", "sink", "--duration", "200ms", server(t, nil, echo))
	require.Greater(t, r.Sent.Messages, int64(1000))
	require.NotEmpty(t, r.Latency)
	r = runBench(t, "--mode", "sink", "--duration", "200ms", "--rate", "100", "--drain",
		"1m", server(t, nil, echo))
	require.EqualValues(t, 20, r.Sent.Messages)
}

func TestAServerThatClosesEarlyWasAFailureOfOurSideOrKeptBenchWaiting(t *testing.T) {
	closes := server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
		_, err := conn.Readable().Pull(r.Context())
		return err
	})
	for _, mode := range []string{"echo", "sink"} {
		r := runBench(t, "--mode", mode, "--connections", "2", "--duration", "1h", closes)
		require.EqualValues(t, 2, r.Early, mode)
		require.Less(t, r.Seconds, 60.0)
	}
	stdout, _ := start(t, "bench", "--connections", "2", "--duration", "1h", closes).wantEnd(0)
	require.Contains(t, stdout, "2 connections were closed by the server before the end\n")
}

func TestSlowConnectionsAreLeftOutOfTheLatency(t *testing.T) {
	r := runBench(t, "--connections", "4", "--slow", "0.75", "--slow-pause", "200ms", "--rate", "80",
		"--duration", "500ms", "--drain", "300ms", server(t, nil, echo))
	require.Equal(t, 3, r.Slow)
	require.GreaterOrEqual(t, r.Unanswered, int64(3*6), "a slow one takes 4 of its 10 answers")
	require.Less(t, r.Latency["p50"], 200.0)
}

func TestBenchPrintsAReportForPeople(t *testing.T) {
	stdout, _ := start(t, "bench", "--connections", "2", "--slow", "0.5", "--slow-pause", "1ms",
		"--duration", "100ms", server(t, nil, echo)).wantEnd(0)
	require.Regexp(t, `^echo: 2 connections, 1 of them slow, [\d.]+ s
sent      \d+ messages, .* a second; a connection held at most .*
received  \d+ messages, .*
latency   from when each was sent: a stall counts once, see --rate
  p50  +\d+\.\d{3} ms
(  p.* ms\n){4}  max  +\d+\.\d{3} ms
$`, stdout)
}

func TestAnInterruptOfBenchStillReports(t *testing.T) {
	opened := make(chan struct{}, 2)
	ends := make(chan error, 2)
	p := start(t, "bench", "--connections", "2", "--duration", "1h", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			m, err := conn.Readable().Pull(r.Context())
			if err != nil {
				return err
			}
			opened <- struct{}{}
			if err = conn.Writable().Write(r.Context(), m); err == nil {
				err = echo(conn, r)
			}
			ends <- err
			return err
		}))
	<-opened
	<-opened
	p.interrupt()
	require.Equal(t, -1, wsstream.CloseCode(<-ends), "the code was 1000")
	require.Equal(t, -1, wsstream.CloseCode(<-ends))
	stdout, _ := p.wantEnd(0)
	require.Contains(t, stdout, "echo: 2 connections")
}

func TestBenchReportsWhatIsWrong(t *testing.T) {
	refuses := server(t, &wsstream.AcceptOptions{Origins: []string{"example.org"}}, echo)
	var conns atomic.Int32
	breaks := server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
		if conns.Add(1) == 1 {
			_, err := conn.Readable().Pull(r.Context())
			conn.CloseNow()
			return err
		}
		return echo(conn, r)
	})
	for name, tc := range map[string]struct {
		args    string
		status  int
		message string
	}{
		"no URL":         {"", 2, "URL is missing"},
		"a bad mode":     {"--mode a ws://a", 2, "bad --mode"},
		"no connections": {"--connections 0 ws://a", 2, "bad --connections 0:"},
		"no time":        {"--duration 0s ws://a", 2, "bad --duration"},
		"a bad rate":     {"--rate -1 ws://a", 2, "bad --rate -1:"},
		"a rate too high measured without one": {"--rate 1e12 ws://a", 2,
			"bad --rate 1e+12: want from"},
		"a rate too low measured without one": {"--rate 1e-300 ws://a", 2,
			"bad --rate 1e-300: want from"},
		"a source":       {"--mode source --rate 1 ws://a", 2, "the server sets the rate"},
		"none in flight": {"--in-flight 0 ws://a", 2, "bad --in-flight"},
		"a bad fraction": {"--slow 2 ws://a", 2, "bad --slow 2:"},
		"a refusal":      {"--origin https://example.net " + refuses, 3, "10 connections failed, the first of them: handshake"},
		"a failure":      {"--connections 2 --duration 100ms " + breaks, 5, "1006"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"bench"}, strings.Fields(tc.args)...)
			_, stderr := start(t, args...).wantEnd(tc.status)
			require.Regexp(t, `^wsstream: [^\n]+\n$`, stderr)
			require.Contains(t, stderr, tc.message, fmt.Sprint(args))
		})
	}
}
