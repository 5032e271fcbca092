package main_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
)

var binary string // the program, built once

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "wsstream")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(folder, "wsstream")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	status := m.Run()
	_ = os.RemoveAll(folder)
	if status == 0 {
		if err := goleak.Find(); err != nil {
			panic(err)
		}
	}
	os.Exit(status)
}

// A process is a run of the program. Its pipes belong to the test.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdin          *os.File
	stdout, stderr *bufio.Reader
	closeOutput    func() error // closes the end of standard output that the test reads
}

// start runs the program. The test kills it at its end, and after a minute.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	p := &process{t: t, cmd: exec.CommandContext(ctx, binary, args...)}
	p.cmd.Env = append(os.Environ(), "NO_PROXY=*")
	stdin, stdout, stderr := pipe(t), pipe(t), pipe(t)
	p.cmd.Stdin, p.stdin = stdin[0], stdin[1]
	p.cmd.Stdout, p.stdout = stdout[1], bufio.NewReaderSize(stdout[0], 16)
	p.closeOutput = stdout[0].Close
	p.cmd.Stderr, p.stderr = stderr[1], bufio.NewReader(stderr[0])
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = p.cmd.Wait()
	})
	for _, f := range []*os.File{stdin[0], stdout[1], stderr[1]} {
		require.NoError(t, f.Close())
	}
	return p
}

func pipe(t *testing.T) [2]*os.File {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	return [2]*os.File{r, w}
}

// send writes to standard input.
func (p *process) send(text string) {
	p.t.Helper()
	_, err := p.stdin.WriteString(text)
	require.NoError(p.t, err)
}

// wantLine reads the next line of standard output.
func (p *process) wantLine(want string) {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		text, _ := io.ReadAll(p.stderr)
		p.t.Fatalf("%v; standard error: %s", err, text)
	}
	require.Equal(p.t, want+"\n", line)
}

// wantError reads lines of standard error up to one that has the text, and returns it.
func (p *process) wantError(want string) string {
	p.t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		require.NoError(p.t, err, "before %q", want)
		if strings.Contains(line, want) {
			return strings.TrimSpace(line)
		}
	}
}

func (p *process) interrupt() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(os.Interrupt))
}

// wantEnd reads the rest of both outputs, and demands the exit status.
func (p *process) wantEnd(status int) (stdout, stderr string) {
	p.t.Helper()
	errs := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(p.stderr)
		errs <- string(text)
	}()
	out, err := io.ReadAll(p.stdout)
	require.NoError(p.t, err)
	stderr = <-errs
	_ = p.cmd.Wait()
	require.Equal(p.t, status, p.cmd.ProcessState.ExitCode(), "standard error: %s", stderr)
	return string(out), stderr
}

// server serves connections until the test ends, and returns the URL.
func server(
	t *testing.T, o *wsstream.AcceptOptions, serve func(*wsstream.Conn, *http.Request) error,
) string {
	s := httptest.NewServer(accept(t, o, serve))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http:", "ws:", 1)
}

// accept returns the handler of server. The end of the test cuts its connections.
func accept(
	t *testing.T, o *wsstream.AcceptOptions, serve func(*wsstream.Conn, *http.Request) error,
) http.Handler {
	if o == nil {
		o = &wsstream.AcceptOptions{}
	}
	acceptor := &wsstream.Acceptor{Options: *o}
	t.Cleanup(func() {
		for conn := range acceptor.All() {
			conn.CloseNow()
		}
		require.NoError(t, acceptor.Shutdown(context.Background()))
	})
	return acceptor.Handler(serve)
}

// echo sends back what comes.
func echo(conn *wsstream.Conn, r *http.Request) error {
	for m, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return err
		}
		if err := conn.Writable().Write(r.Context(), m); err != nil {
			return err
		}
	}
	return nil
}

func TestVersionIsThatOfTheBuild(t *testing.T) {
	stdout, _ := start(t, "--version").wantEnd(0)
	require.Regexp(t, `^wsstream version (\(devel\)|v\d[^\n]*)\n$`, stdout)
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }
