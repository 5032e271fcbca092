package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program is a run of the real program.
type program struct {
	stdout bytes.Buffer
	stderr screen
	status chan int

	interrupt context.CancelCauseFunc
}

// start runs the program with args; the end of the test interrupts it.
func start(t *testing.T, stdin io.Reader, args ...string) *program {
	p := &program{status: make(chan int, 1)}
	p.stderr.first = make(chan string, 1)
	var ctx context.Context
	ctx, p.interrupt = context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.status <- run(ctx, args, stdin, &p.stdout, &p.stderr) })
	t.Cleanup(func() {
		p.interrupt(errors.New("the test is over"))
		wg.Wait()
	})
	return p
}

// succeeds waits for the program's end, and holds that it claims success and nothing else.
func (p *program) succeeds(t *testing.T) (stdout string) {
	t.Helper()
	require.Zero(t, <-p.status, p.stderr.String())
	require.Empty(t, p.stderr.complaints())
	return p.stdout.String()
}

// fails waits for the program's end, and holds that it is one clear line, status 1 and no claim of
// success.
func (p *program) fails(t *testing.T, why string) {
	t.Helper()
	require.Equal(t, 1, <-p.status)
	lines := p.stderr.complaints()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], why)
	require.Empty(t, p.stdout.String())
}

// A screen is a standard error that may be read while it is written.
type screen struct {
	first chan string // gets the first thing that is written
	once  sync.Once

	mu  sync.Mutex
	buf strings.Builder // guarded by mu
}

func (s *screen) Write(b []byte) (int, error) {
	s.once.Do(func() { s.first <- string(b) })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// complaints are the lines of errors. Progress, which a slow machine may show, is not among them.
func (s *screen) complaints() (lines []string) {
	for line := range strings.Lines(s.String()) {
		if !progressLine.MatchString(line) && !strings.HasPrefix(line, "listening on ") {
			lines = append(lines, line)
		}
	}
	return lines
}

var progressLine = regexp.MustCompile(`^( *[0-9]+ %, )? *[0-9.]+ k?M?B, .*/s, `)

// listening returns the URL that a program run with -listen says.
func (p *program) listening(t *testing.T) string {
	t.Helper()
	url, ok := strings.CutPrefix(strings.TrimSpace(<-p.stderr.first), "listening on ")
	require.True(t, ok)
	return url
}

const listenHere = "127.0.0.1:0"

// aFile returns the path of a file of n bytes.
func aFile(t *testing.T, n int) string {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, fileContent(n), 0o600))
	return path
}

func fileContent(n int) []byte { return bytes.Repeat([]byte("wsstream"), (n+7)/8)[:n] }

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// endless is a source that never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// silent returns a source that keeps its reader waiting until the test is over.
func silent(t *testing.T) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	return r
}

func TestFileDirectoryAndStandardInputArriveWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		stdin io.Reader
		in    string
		bytes string // that each end counts
		sum   string // empty: any
	}{
		"file": {
			in:    aFile(t, 300_001),
			bytes: "300,001",
			sum:   hashOf(fileContent(300_001)),
		},
		"empty file": {
			in:    aFile(t, 0),
			bytes: "0",
			sum:   hashOf(nil),
		},
		"directory": {
			in:    filepath.Dir(aFile(t, 1000)),
			bytes: "2,560", // a header and two blocks, and the two that end an archive
		},
		"empty directory": {
			in:    t.TempDir(),
			bytes: "1,024",
			sum:   hashOf(make([]byte, 1024)),
		},
		"standard input": {
			stdin: strings.NewReader(strings.Repeat("x", 100_000)),
			in:    "-",
			bytes: "100,000",
			sum:   hashOf(bytes.Repeat([]byte("x"), 100_000)),
		},
		"empty standard input": {
			stdin: strings.NewReader(""),
			in:    "-",
			bytes: "0",
			sum:   hashOf(nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := start(t, tc.stdin, "-in", tc.in, "-rate", "max").succeeds(t)
			require.Regexp(t, `(?m)^bytes +`+tc.bytes+` +`+tc.bytes+`$`, out)
			require.Contains(t, out, "\nsha256 "+tc.sum, "the same on both ends")
			for line := range strings.Lines(out) {
				require.LessOrEqual(t, len(line), 80, "it fits a terminal")
			}
		})
	}
}

func TestNeitherEndHoldsMoreThanItsWindowAndOneMessage(t *testing.T) {
	const window = 16 << 10
	out := start(t, nil, "-in", aFile(t, 1<<20), "-rate", "8MB/s", "-window", "16KiB").succeeds(t)
	require.Regexp(t, `(?m)^bytes +1,048,576 +1,048,576$`, out)
	require.Regexp(t, `(?m)^window +16,384 +16,384$`, out)
	most := regexp.MustCompile(`(?m)^held at most +([0-9,]+) +([0-9,]+)$`).FindStringSubmatch(out)
	require.Len(t, most, 3, out)
	for _, most := range most[1:] {
		held, err := strconv.Atoi(strings.ReplaceAll(most, ",", ""))
		require.NoError(t, err)
		require.Positive(t, held)
		require.LessOrEqual(t, held, window+chunk+64, "and a few frame headers")
	}
}

func TestTwoProcessesAgree(t *testing.T) {
	receiver := start(t, nil, "-listen", listenHere, "-rate", "max")
	url := receiver.listening(t)

	// a client that is no sender is refused, and changes nothing
	resp, err := http.Get("http" + strings.TrimPrefix(url, "ws"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.GreaterOrEqual(t, resp.StatusCode, 400)
	http.DefaultClient.CloseIdleConnections()

	sender := start(t, nil, "-dial", url, "-in", aFile(t, 300_001))
	for held, out := range map[string]string{
		`[0-9,]+ +elsewhere`: sender.succeeds(t),
		`elsewhere +[0-9,]+`: receiver.succeeds(t),
	} {
		require.Regexp(t, `(?m)^bytes +300,001 +300,001$`, out)
		require.Contains(t, out, "\nsha256 "+hashOf(fileContent(300_001))+"\n")
		require.Regexp(t, `(?m)^held at most +`+held+`$`, out)
	}
}

func TestASecondSenderIsRefused(t *testing.T) {
	receiver := start(t, nil, "-listen", listenHere, "-rate", "max")
	url := receiver.listening(t)
	first := wsstream.Dial(t.Context(), url, nil)
	defer first.CloseNow()
	_, err := first.Opened().Wait(t.Context())
	require.NoError(t, err)

	start(t, nil, "-dial", url, "-in", aFile(t, 10)).fails(t, "503")
	first.CloseNow()
	receiver.fails(t, "the sender hung up")
}

func TestBadInputIsOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", listenHere)
	require.NoError(t, err)
	defer taken.Close()
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	file := aFile(t, 10)

	for name, tc := range map[string]struct {
		args []string
		why  string
	}{
		"no such path": {
			args: []string{"-in", filepath.Join(file, "nowhere")},
			why:  "nowhere: ",
		},
		"no path": {
			args: []string{"-in", ""},
			why:  "-in is empty",
		},
		"rate that is none": {
			args: []string{"-in", file, "-rate", "fast"},
			why:  `bad -rate "fast": want a speed such as 20MB/s`,
		},
		"rate of zero": {
			args: []string{"-in", file, "-rate", "0MB/s"},
			why:  `bad -rate "0MB/s"`,
		},
		"rate below zero": {
			args: []string{"-in", file, "-rate", "-1MB/s"},
			why:  `bad -rate "-1MB/s"`,
		},
		"rate by the hour": {
			args: []string{"-in", file, "-rate", "1MB/h"},
			why:  `bad -rate "1MB/h"`,
		},
		"window of zero": {
			args: []string{"-in", file, "-window", "0"},
			why:  `bad -window "0"`,
		},
		"window too small for a frame": {
			args: []string{"-in", file, "-window", "100B"},
			why:  `bad -window "100B"`,
		},
		"both ends and neither": {
			args: []string{"-listen", listenHere, "-dial", "ws://127.0.0.1:1"},
			why:  "-listen and -dial exclude each other",
		},
		"source for the receiver": {
			args: []string{"-listen", listenHere, "-in", file},
			why:  "-in belongs to the sender",
		},
		"rate for the sender": {
			args: []string{"-dial", "ws://127.0.0.1:1", "-in", file, "-rate", "1MB/s"},
			why:  "-rate belongs to the receiver",
		},
		"unknown flag": {
			args: []string{"-fast"},
			why:  "-fast",
		},
		"argument without a flag": {
			args: []string{file},
			why:  "name the source with -in",
		},
		"address that is taken": {
			args: []string{"-listen", taken.Addr().String()},
			why:  "address already in use",
		},
		"address that is none": {
			args: []string{"-listen", "nonsense"},
			why:  "missing port",
		},
		"URL that is none": {
			args: []string{"-dial", "127.0.0.1", "-in", file},
			why:  "bad -dial: want a URL such as ws://127.0.0.1:8080",
		},
		"URL of a web server": {
			args: []string{"-dial", web.URL, "-in", file},
			why:  "404",
		},
	} {
		t.Run(name, func(t *testing.T) { start(t, nil, tc.args...).fails(t, tc.why) })
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", listenHere)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	start(t, nil, "-dial", "ws://"+l.Addr().String(), "-in", aFile(t, 10)).fails(t, "refused")
}

func TestNoGoInstallation(t *testing.T) {
	t.Setenv("PATH", "")
	start(t, nil).fails(t, "no -in, and no Go installation")
}

func TestHelpIsNoError(t *testing.T) {
	out := start(t, nil, "-h").succeeds(t)
	require.Contains(t, out, "-rate speed")
}

// aReceiver returns the URL of a server that treats each connection as f does, and then cuts it.
func aReceiver(t *testing.T, f func(t *testing.T, conn *wsstream.Conn)) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		f(t, conn)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestReceiverThatLeavesHalfWay(t *testing.T) {
	pullSome := func(t *testing.T, conn *wsstream.Conn) {
		for range 5 {
			_, err := conn.Readable().Pull(t.Context())
			require.NoError(t, err)
		}
	}
	for name, tc := range map[string]struct {
		stdin io.Reader
		leave func(t *testing.T, conn *wsstream.Conn)
		why   string
	}{
		"cut": {
			stdin: endless{},
			leave: pullSome,
			why:   "the receiver hung up: ",
		},
		"cut while the source is silent": {
			stdin: silent(t),
			leave: func(*testing.T, *wsstream.Conn) {},
			why:   "the receiver hung up: ",
		},
		"closed in order": {
			stdin: endless{},
			leave: func(t *testing.T, conn *wsstream.Conn) {
				pullSome(t, conn)
				_ = conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4000, Reason: "enough"})
			},
			why: `4000 "enough"`,
		},
		"closed in order while the source is silent": {
			stdin: silent(t),
			leave: func(t *testing.T, conn *wsstream.Conn) {
				_ = conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4000, Reason: "enough"})
			},
			why: `the receiver hung up: wsstream: closed with 4000 "enough"`,
		},
		"answers nonsense": {
			stdin: silent(t),
			leave: func(t *testing.T, conn *wsstream.Conn) {
				_ = conn.Writable().Write(t.Context(), wsstream.Text("thanks"))
				_, _ = conn.Closed().Wait(t.Context())
			},
			why: "the other side's total is not one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			start(t, tc.stdin, "-dial", aReceiver(t, tc.leave), "-in", "-").fails(t, tc.why)
		})
	}
}

func TestSenderThatLeavesHalfWay(t *testing.T) {
	for name, tc := range map[string]struct {
		leave func(t *testing.T, conn *wsstream.Conn)
		why   string
	}{
		"cut": {
			leave: func(*testing.T, *wsstream.Conn) {},
			why:   "the sender hung up: ",
		},
		"closed in order": {
			leave: func(t *testing.T, conn *wsstream.Conn) {
				require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
			},
			why: "the sender hung up: closed with 1000 (normal closure)",
		},
		"sends a total that is none": {
			leave: func(t *testing.T, conn *wsstream.Conn) {
				require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("done")))
				_, _ = conn.Closed().Wait(t.Context())
			},
			why: "the other side's total is not one",
		},
		"does not wait for the answer": {
			leave: func(t *testing.T, conn *wsstream.Conn) {
				m, err := newTally().total().message()
				require.NoError(t, err)
				require.NoError(t, conn.Writable().Write(t.Context(), m))
				require.NoError(t, conn.Writable().Flush(t.Context()))
			},
			why: "the sender hung up: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			receiver := start(t, nil, "-listen", listenHere, "-rate", "max")
			conn := wsstream.Dial(t.Context(), receiver.listening(t), nil)
			defer conn.CloseNow()
			for range 3 {
				require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1000))))
			}
			tc.leave(t, conn)
			conn.CloseNow()
			receiver.fails(t, tc.why)
		})
	}
}

func TestADifferenceIsNoSuccess(t *testing.T) {
	t.Run("the receiver has something else", func(t *testing.T) {
		url := aReceiver(t, func(t *testing.T, conn *wsstream.Conn) {
			for m, err := range conn.Readable().All(t.Context()) {
				if err != nil {
					return
				}
				if m.Type == wsstream.TypeText {
					_ = conn.Writable().Write(t.Context(), wsstream.Text(`{"bytes":9,"sha256":"`+hashOf(nil)+`"}`))
				}
			}
		})
		p := start(t, nil, "-dial", url, "-in", aFile(t, 10))
		differs(t, p, 10, 9)
	})
	t.Run("the sender had something else", func(t *testing.T) {
		p := start(t, nil, "-listen", listenHere)
		conn := wsstream.Dial(t.Context(), p.listening(t), nil)
		defer conn.CloseNow()
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 9))))
		require.NoError(t, conn.Writable().Write(t.Context(),
			wsstream.Text(`{"bytes":10,"sha256":"`+hashOf(nil)+`"}`)))
		_, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		differs(t, p, 10, 9)
	})
}

// differs holds that the program ends with status 1, and shows what differs.
func differs(t *testing.T, p *program, sent, received int) {
	t.Helper()
	require.Equal(t, 1, <-p.status)
	require.Equal(t, []string{"pipeline: what was received is not what was sent\n"},
		p.stderr.complaints())
	require.Regexp(t, fmt.Sprintf(`(?m)^bytes +%d +%d$`, sent, received), p.stdout.String())
}

func TestAnInterruptEndsBothSides(t *testing.T) {
	for name, stdin := range map[string]io.Reader{"busy": endless{}, "waiting": silent(t)} {
		t.Run(name, func(t *testing.T) {
			atWork := make(chan struct{})
			p := start(t, &onFirstRead{stdin, func() { close(atWork) }}, "-in", "-", "-rate", "1MB/s")
			<-atWork
			p.interrupt(errors.New("interrupt signal received"))
			p.fails(t, "pipeline: interrupt signal received\n")
		})
	}
}

// onFirstRead is r, and calls f when it is first read from.
type onFirstRead struct {
	r io.Reader
	f func()
}

func (o *onFirstRead) Read(b []byte) (int, error) {
	if o.f != nil {
		o.f()
		o.f = nil
	}
	return o.r.Read(b)
}
