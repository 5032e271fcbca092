package main_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// listens starts the program with --listen on a free port, and returns it with its URL.
func listens(t *testing.T, args ...string) (p *process, url string) {
	p = start(t, append([]string{args[0], "--listen", "127.0.0.1:0"}, args[1:]...)...)
	return p, p.listening()
}

// listening returns the URL at which the program says that it listens.
func (p *process) listening() string {
	p.t.Helper()
	_, url, _ := strings.Cut(p.wantError("listening on "), "listening on ")
	return url
}

// client connects to a server.
func client(t *testing.T, url string, o *wsstream.DialOptions) *wsstream.Conn {
	conn := wsstream.Dial(t.Context(), url, o)
	t.Cleanup(conn.CloseNow)
	_, err := conn.Opened().Wait(t.Context())
	require.NoError(t, err)
	return conn
}

func pull(t *testing.T, conn *wsstream.Conn) string {
	t.Helper()
	m, err := conn.Readable().Pull(t.Context())
	require.NoError(t, err)
	return string(m.Data)
}

// alive reports whether a process exists.
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && syscall.Kill(n, 0) == nil
}

func TestServeRunsAProcessForEachConnection(t *testing.T) {
	_, url := listens(t, "serve", "--", "sh", "-c", "echo $$; cat")
	one, two := client(t, url, nil), client(t, url, nil)
	require.NotEqual(t, pull(t, one), pull(t, two))
	for _, conn := range []*wsstream.Conn{one, two} {
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("a line")))
		require.Equal(t, "a line", pull(t, conn))
	}
}

func TestServeCopiesBinary(t *testing.T) {
	_, url := listens(t, "serve", "--binary", "--", "cat")
	conn := client(t, url, nil)
	require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary([]byte("\x00\n\xff"))))
	m, err := conn.Readable().Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, wsstream.TypeBinary, m.Type)
	require.Equal(t, "\x00\n\xff", string(m.Data))
}

func TestTheExitStatusBecomesTheCloseCodeAndReason(t *testing.T) {
	for script, want := range map[string]wsstream.CloseInfo{
		"echo last":             {Code: 1000},
		"echo last; exit 3":     {Code: 4003, Reason: "exit status 3"},
		"echo last; kill -9 $$": {Code: 1011, Reason: "signal: killed"},
	} {
		_, url := listens(t, "serve", "--", "sh", "-c", script)
		conn := client(t, url, nil)
		require.Equal(t, "last", pull(t, conn))
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, info)
	}
}

func TestACommandThatIsNoProgramIs1011(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte("\x00"), 0o700))
	p, url := listens(t, "serve", "--", path)
	info, err := client(t, url, nil).Closed().Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1011, info.Code)
	p.wantError(path)
}

// overASocket connects to a server of a command over a unix socket. See socket.
func overASocket(t *testing.T, command ...string) *wsstream.Conn {
	path := filepath.Join(t.TempDir(), "socket")
	start(t, append([]string{"serve", "--listen", "unix:" + path, "--"}, command...)...).listening()
	return client(t, "ws://localhost", &wsstream.DialOptions{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	})
}

func TestAClientThatStopsReadingBlocksTheProcess(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	// The process writes lines of 64 KiB, and counts those that it could write.
	conn := overASocket(t, "sh", "-c",
		`line=$(head -c 65535 /dev/zero | tr '\0' x); while echo $line; do echo >>"$0"; done`, count)
	written := func() int64 {
		info, err := os.Stat(count)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	full := int64(-1)
	require.Eventually(t, func() bool { // the count stands still
		last := full
		full = written()
		return full > 0 && full == last
	}, 10*time.Second, blocked)
	require.Less(t, full, int64(4<<20/65536))
	for range full + 100 {
		pull(t, conn)
	}
	require.Greater(t, written(), full, "it goes on")
}

func TestAProcessThatStopsReadingBlocksTheClient(t *testing.T) {
	conn := overASocket(t, "sleep", "60")
	message := wsstream.Binary(make([]byte, 32<<10))
	for sent := 0; ; sent += len(message.Data) {
		ctx, cancel := context.WithTimeout(t.Context(), blocked)
		err := conn.Writable().Write(ctx, message)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		require.NoError(t, err)
		require.Less(t, sent, 4<<20)
	}
}

func TestTheProcessReadsAllBeforeItIsTerminated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	p, url := listens(t, "serve", "--term-after", "10s", "--", "sh", "-c",
		`cat >"$0"; echo done >&2`, path)
	conn := client(t, url, nil)
	for range 1000 {
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(strings.Repeat("x", 99))))
	}
	require.NoError(t, conn.Writable().Close(t.Context()))
	p.wantError("done")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 100*1000, info.Size())
}

func TestALostClientTerminatesTheProcessAndItsInputNeverLooksComplete(t *testing.T) {
	p, url := listens(t, "serve", "--term-after", "1h", "--", "sh", "-c",
		`trap 'echo terminated >&2; exit' TERM; echo ready; while read line; do :; done; echo end >&2`)
	conn := client(t, url, nil)
	require.Equal(t, "ready", pull(t, conn))
	conn.CloseNow()
	line, err := p.stderr.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "terminated\n", line)
}

func TestAProcessThatIgnoresSIGTERMIsKilledWithItsChildren(t *testing.T) {
	_, url := listens(t, "serve", "--term-after", "0s", "--kill-after", "50ms", "--", "sh", "-c",
		`trap '' TERM; sleep 60 & echo $$ $!; wait; wait`)
	conn := client(t, url, nil)
	pids := strings.Fields(pull(t, conn))
	require.Len(t, pids, 2)
	require.NoError(t, conn.Writable().Close(t.Context()))
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !alive(pid) || zombie(pid) }, 5*time.Second,
			10*time.Millisecond)
	}
}

// zombie reports whether a process has ended and its parent has not asked.
func zombie(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestTheEnvironmentDescribesTheRequest(t *testing.T) {
	t.Setenv("HTTP_FORGED", "1")
	_, url := listens(t, "serve", "--accept-protocol", "b", "--", "env")
	conn := client(t, url+"/a/path?query=1", &wsstream.DialOptions{
		Subprotocols: []string{"a", "b"},
		Header:       http.Header{"X-Test": {"value"}, "Proxy": {"evil"}},
	})
	env := map[string]string{}
	for m, err := range conn.Readable().All(t.Context()) {
		require.NoError(t, err)
		name, value, _ := strings.Cut(string(m.Data), "=")
		env[name] = value
	}
	for name, want := range map[string]string{
		"GATEWAY_INTERFACE":  "CGI/1.1",
		"REQUEST_METHOD":     "GET",
		"PATH_INFO":          "/a/path",
		"QUERY_STRING":       "query=1",
		"REQUEST_URI":        "/a/path?query=1",
		"REMOTE_ADDR":        "127.0.0.1",
		"SERVER_NAME":        "127.0.0.1",
		"WEBSOCKET_PROTOCOL": "b",
		"HTTP_X_TEST":        "value",
		"PATH":               os.Getenv("PATH"),
	} {
		require.Equal(t, want, env[name], name)
	}
	require.NotContains(t, env, "HTTP_PROXY")
	require.NotContains(t, env, "HTTP_FORGED")
	require.NotEmpty(t, env["REMOTE_PORT"])
	require.NotEmpty(t, env["SERVER_PORT"])
}

func TestServeRefusesConnectionsBeyondTheMaximumAndForeignOrigins(t *testing.T) {
	_, url := listens(t, "serve", "--max-conns", "1", "--accept-origin", "*.example.org", "--", "cat")
	status := func(origin string) int {
		conn := wsstream.Dial(t.Context(), url, &wsstream.DialOptions{
			Header: http.Header{"Origin": {origin}}})
		_, err := conn.Opened().Wait(t.Context())
		t.Cleanup(conn.CloseNow)
		refused, _ := errors.AsType[*wsstream.HandshakeError](err)
		if refused == nil {
			return 0
		}
		return refused.Status
	}
	require.Equal(t, http.StatusForbidden, status("https://example.net"))
	require.Zero(t, status("https://www.example.org"))
	require.Equal(t, http.StatusServiceUnavailable, status("https://www.example.org"))
}

func TestServeServesFilesBesideTheWebSocket(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "public"), 0o700))
	page := filepath.Join(folder, "public", "page.html")
	require.NoError(t, os.WriteFile(page, []byte("a page"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "secret"), []byte("a secret"), 0o600))
	require.NoError(t, os.Symlink("../secret", filepath.Join(folder, "public", "link")))
	_, url := listens(t, "serve", "--static", filepath.Join(folder, "public"), "--", "cat")
	get := func(path string) (int, string) {
		r, err := http.Get(strings.Replace(url, "ws:", "http:", 1) + path)
		require.NoError(t, err)
		defer http.DefaultClient.CloseIdleConnections()
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return r.StatusCode, string(body)
	}
	status, body := get("/page.html")
	require.Equal(t, 200, status)
	require.Equal(t, "a page", body)
	for _, path := range []string{"/link", "/../secret"} {
		status, body = get(path)
		require.NotEqual(t, 200, status)
		require.NotContains(t, body, "a secret")
	}
	client(t, url+"/any/path", nil)
}

func TestServeServesTLSAndUnixSockets(t *testing.T) {
	folder := t.TempDir()
	certificate(t, folder)
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--cert", folder+"/cert.pem", "--key",
		folder+"/key.pem", "--", "cat")
	d := start(t, "dial", "--cacert", folder+"/cert.pem", "--count", "1", p.listening())
	d.send("over TLS\n")
	d.wantLine("over TLS")
	d.wantEnd(0)
	start(t, "serve", "--listen", "unix:"+folder+"/socket", "--", "cat").listening()
	d = start(t, "dial", "--unix", folder+"/socket", "--count", "1", "ws://localhost")
	d.send("over a socket\n")
	d.wantLine("over a socket")
	d.wantEnd(0)
}

// certificate writes cert.pem and key.pem for 127.0.0.1 and localhost into a folder.
func certificate(t *testing.T, folder string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: folder},
		NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600))
	}
}

func TestAnInterruptOfServeClosesWith1001AndTerminatesTheProcesses(t *testing.T) {
	p, url := listens(t, "serve", "--", "sh", "-c", "echo $$; exec sleep 60")
	conn := client(t, url, nil)
	pid := pull(t, conn)
	p.interrupt()
	_, err := conn.Readable().Pull(t.Context())
	require.Equal(t, 1001, wsstream.CloseCode(err))
	p.wantEnd(0)
	require.False(t, alive(pid))
}

func TestASecondInterruptOfServeKillsTheProcesses(t *testing.T) {
	p, url := listens(t, "serve", "--kill-after", "1h", "--", "sh", "-c",
		`trap 'echo terminated >&2' TERM; echo $$; while :; do sleep 0.01; done`)
	conn := client(t, url, nil)
	pid := pull(t, conn)
	p.interrupt()
	_, _ = conn.Readable().Pull(t.Context())
	p.wantError("terminated")
	p.interrupt()
	p.wantEnd(130)
	require.False(t, alive(pid))
}

func TestServeReportsWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		args    []string
		status  int
		message string
	}{
		"no command":     {[]string{"serve"}, 2, "COMMAND is missing"},
		"a bad origin":   {[]string{"serve", "--accept-origin", "[", "--", "cat"}, 2, "["},
		"a bad address":  {[]string{"serve", "--listen", "localhost", "--", "cat"}, 1, "missing port"},
		"no such folder": {[]string{"serve", "--static", "no/such", "--", "cat"}, 1, "no/such"},
		"no certificate": {[]string{"serve", "--cert", "no/such", "--key", "a", "--", "cat"},
			1, "no/such"},
		"no key":     {[]string{"serve", "--cert", "a", "--", "cat"}, 2, "--cert needs --key"},
		"no program": {[]string{"serve", "--", "no/such"}, 1, "no/such"},
		"a negative maximum was none": {[]string{"serve", "--max-conns", "-1", "--", "cat"}, 2,
			"bad --max-conns -1"},
		"an unknown flag": {[]string{"serve", "--no", "--", "cat"}, 2, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr := start(t, tc.args...).wantEnd(tc.status)
			require.Regexp(t, `^wsstream: [^\n]+\n$`, stderr)
			require.Contains(t, stderr, tc.message)
		})
	}
}

func TestASocketThatAKilledServerHasLeftIsReplacedAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "socket")
	p := start(t, "serve", "--listen", "unix:"+path, "--", "cat")
	p.listening()
	second := start(t, "serve", "--listen", "unix:"+path, "--", "cat")
	_, stderr := second.wantEnd(1)
	require.Contains(t, stderr, "address already in use", "the first one listens")
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	require.FileExists(t, path)
	start(t, "serve", "--listen", "unix:"+path, "--", "cat").listening()

	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	_, stderr = start(t, "serve", "--listen", "unix:"+file, "--", "cat").wantEnd(1)
	require.Contains(t, stderr, "address already in use")
	require.FileExists(t, file)
}
