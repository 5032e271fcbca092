package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program is a run of the real program, whose output is read line by line.
type program struct {
	stdout, stderr *bufio.Scanner
	status         chan int
	interrupt      context.CancelCauseFunc
}

// start runs the program with args; the end of the test interrupts it.
func start(t *testing.T, args ...string) *program {
	stdout, stdoutW := io.Pipe()
	stderr, stderrW := io.Pipe()
	p := &program{stdout: bufio.NewScanner(stdout), stderr: bufio.NewScanner(stderr),
		status: make(chan int, 1)}
	ctx, cancel := context.WithCancelCause(t.Context())
	p.interrupt = cancel
	var wg sync.WaitGroup
	wg.Go(func() {
		p.status <- run(ctx, args, stdoutW, stderrW)
		_ = stdoutW.Close()
		_ = stderrW.Close()
	})
	t.Cleanup(func() {
		cancel(errors.New("the test is over"))
		_ = stdout.Close()
		_ = stderr.Close()
		wg.Wait()
	})
	return p
}

// line returns the next line, which must come.
func line(t *testing.T, s *bufio.Scanner) string {
	t.Helper()
	require.True(t, s.Scan(), "no more lines: %v", s.Err())
	return s.Text()
}

// aLog returns the path of a file with this content.
func aLog(t *testing.T, content string) string {
	path := filepath.Join(t.TempDir(), "app.log")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func add(t *testing.T, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestTheDemonstrationAccountsForEveryLine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-for", "200ms", "-rate", "1000"}, &stdout, &stderr)
	require.Zero(t, status, stderr.String())
	out := stdout.String()
	require.Regexp(t, `^200 lines written in 200ms, 160 of them published in `, out)
	require.Regexp(t, `(?m)^viewer +policy +speed +received +dropped +end$`, out)
	require.Regexp(t, `(?m)^archive +block +500/s +160 +0 +1000 the log has ended$`, out)
	for l := range strings.Lines(out) {
		require.LessOrEqual(t, len(l), 80, "it fits a terminal")
	}
	for _, p := range policies {
		require.Contains(t, out, " "+p.name+" ")
	}
}

func TestTheDemonstrationTellsHowItComesAlong(t *testing.T) {
	demo := start(t, "-for", "1h", "-rate", "1000")
	require.Equal(t, "writing a log of 3,600,000 lines in 1h0m0s, for 6 viewers", line(t, demo.stderr))
	require.Regexp(t, `^  0 %, [0-9,]+ written, [0-9,]+ published$`, line(t, demo.stderr),
		"long before its end")
	demo.interrupt(errors.New("seen enough"))
	// and what it says meanwhile
	for demo.stderr.Scan() && !strings.HasPrefix(demo.stderr.Text(), "logtail: ") {
	}
	require.Equal(t, "logtail: seen enough", demo.stderr.Text())
	require.Equal(t, 1, <-demo.status)
}

func TestAFileIsServedAndViewed(t *testing.T) {
	path := aLog(t, "before\n")
	server := start(t, "-in", path, "-listen", "127.0.0.1:0", "-level", "warn")
	_, url, ok := strings.Cut(line(t, server.stderr), " on ")
	require.True(t, ok)

	viewer := start(t, "-dial", url, "-name", "me", "-policy", "latest")
	require.Equal(t, `"me" has come, by the policy latest`, line(t, server.stderr))
	add(t, path, "plain INFO\nplain WARN\n"+
		`{"time":"2026-01-02T03:04:05.678Z","level":"ERROR","service":"db","msg":"gone"}`+"\n"+`{"level":"DEBUG","msg":"detail"}`+"\n")
	require.Equal(t, "WARN  plain WARN", line(t, viewer.stdout))
	require.Equal(t, "Jan  2 03:04:05.678 ERROR db: gone", line(t, viewer.stdout))

	viewer.interrupt(errors.New("seen enough"))
	require.Equal(t, "logtail: seen enough", line(t, viewer.stderr))
	require.Equal(t, 1, <-viewer.status)
	require.Equal(t, `"me" has left, 0 lines dropped: 1001 (going away)`, line(t, server.stderr),
		"it has closed in order")

	viewer = start(t, "-dial", url)
	require.Equal(t, `"viewer" has come, by the policy block`, line(t, server.stderr))
	server.interrupt(errors.New("restart"))
	require.Equal(t, `the server has closed with 1001 (going away) "the server stops"`,
		line(t, viewer.stderr))
	require.Zero(t, <-viewer.status)
	require.Contains(t, line(t, server.stderr), `"viewer" has left, 0 lines dropped: `)
	require.Equal(t, "logtail: restart", line(t, server.stderr))
	require.Equal(t, 1, <-server.status)
}

func TestAllOfAFileIsServedOnDemand(t *testing.T) {
	o, err := parseOptions([]string{"-in", aLog(t, "before\n"), "-listen", "127.0.0.1:0", "-all"},
		io.Discard)
	require.NoError(t, err)
	for all, want := range map[bool]string{true: "before\n", false: ""} {
		o.all = all
		f, err := openLog(o)
		require.NoError(t, err)
		got, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Equal(t, want, string(got))
	}
}

func TestTheFirstViewerGetsAllOfAFileThatIsThereWhenHeComes(t *testing.T) {
	server := start(t, "-in", aLog(t, "before\n"), "-listen", "127.0.0.1:0", "-all")
	_, url, ok := strings.Cut(line(t, server.stderr), " on ")
	require.True(t, ok)
	viewer := start(t, "-dial", url)
	require.Equal(t, `"viewer" has come, by the policy block`, line(t, server.stderr))
	require.Equal(t, "INFO  before", line(t, viewer.stdout))
}

func TestAServerWhomNobodyViewsCanBeStopped(t *testing.T) {
	server := start(t, "-in", aLog(t, "before\n"), "-listen", "127.0.0.1:0", "-all")
	line(t, server.stderr)
	server.interrupt(errors.New("restart"))
	require.Equal(t, "logtail: restart", line(t, server.stderr))
	require.Equal(t, 1, <-server.status)
}

func TestAServerThatIsLostIsAFailure(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := wsstream.Accept(w, r, nil); err == nil {
			conn.CloseNow()
		}
	}))
	defer srv.Close()
	viewer := start(t, "-dial", srv.URL)
	require.Contains(t, line(t, viewer.stderr), "logtail: wsstream: closed with 1006")
	require.Equal(t, 1, <-viewer.status)
}

func TestAServerThatSendsNoEntriesIsAFailure(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := wsstream.Accept(w, r, nil); err == nil {
			_ = conn.Writable().Write(r.Context(), wsstream.Text("hello"))
			_ = conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
		}
	}))
	defer srv.Close()
	viewer := start(t, "-dial", srv.URL)
	require.Contains(t, line(t, viewer.stderr), `text message of 5 bytes, "hello"`)
	require.Equal(t, 1, <-viewer.status)
}

func TestAnUnknownPolicyIsRefusedBeforeTheHandshake(t *testing.T) {
	s, err := listen(t.Context(), "127.0.0.1:0", func(visit) {})
	require.NoError(t, err)
	defer s.close()
	_, _, err = viewer{policy: "hurry"}.watch(t.Context(), s.url, nil)
	require.EqualError(t, err,
		`refused with status 400: no policy "hurry": want block, drop-newest, drop-oldest, latest or disconnect`+"\n")
}

func TestBadInputIsOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	log := aLog(t, "")

	for name, tc := range map[string]struct {
		args []string
		why  string
	}{
		"no such file": {[]string{"-in", log + "x", "-listen", "127.0.0.1:0"},
			"app.logx: no such file"},
		"directory": {[]string{"-in", t.TempDir(), "-listen", "127.0.0.1:0"},
			"is not a file that can be followed"},
		"file without address": {[]string{"-in", log}, "-in and -listen go together"},
		"address without file": {[]string{"-listen", "127.0.0.1:0"}, "-in and -listen go together"},
		"empty file":           {[]string{"-in", ""}, "-in is empty"},
		"address that is taken": {[]string{"-in", log, "-listen", taken.Addr().String()},
			"address already in use"},
		"server and viewer": {[]string{"-dial", "ws://127.0.0.1:1", "-in", log}, "-in is not for a viewer"},
		"policy for a server": {[]string{"-in", log, "-listen", "127.0.0.1:0", "-policy", "latest"},
			"-policy is not for a server"},
		"time without a unit": {[]string{"-for", "5"}, `bad -for "5": want a duration such as 3s`},
		"speed for neither": {[]string{"-speed", "3"},
			"-speed is not for the demonstration: it belongs to a viewer (-dial)"},
		"unknown policy":     {[]string{"-dial", "ws://127.0.0.1:1", "-policy", "hurry"}, `no policy "hurry": want block, `},
		"unknown level":      {[]string{"-level", "loud"}, `bad -level "loud"`},
		"speed of zero":      {[]string{"-dial", "ws://127.0.0.1:1", "-speed", "0"}, `bad -speed "0"`},
		"speed that is none": {[]string{"-dial", "ws://127.0.0.1:1", "-speed", "NaN"}, `bad -speed "NaN"`},
		"endless rate":       {[]string{"-rate", "max"}, `bad -rate "max"`},
		"no time":            {[]string{"-for", "0s"}, `bad -for "0s": want a duration such as 3s`},
		"unknown flag":       {[]string{"-fast"}, "-fast"},
		"argument":           {[]string{log}, "name the file with -in"},
		"URL that is none":   {[]string{"-dial", "127.0.0.1"}, "bad -dial: want a URL such as ws://127.0.0.1:8080"},
		"URL of a web server": {[]string{"-dial", web.URL},
			"refused with status 404: 404 page not found"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 1, run(t.Context(), tc.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), tc.why)
			require.Regexp(t, "^logtail: [^\n]*\n$", stderr.String())
			require.Empty(t, stdout.String())
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "-policy policy")
	require.Empty(t, stderr.String())
}
