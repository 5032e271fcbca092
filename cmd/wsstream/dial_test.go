package main_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestDialSendsLinesAndWritesMessagesAsLines(t *testing.T) {
	p := start(t, "dial", server(t, nil, echo))
	p.send("one\ntwo\r\n\nthree")
	p.wantLine("one")
	p.wantLine("two")
	p.wantLine("")
	require.NoError(t, p.stdin.Close())
	p.wantLine("three")
	_, stderr := p.wantEnd(0)
	require.Empty(t, stderr)
}

func TestDialClosesWithItsCodeAtTheEndOfTheInput(t *testing.T) {
	ends := make(chan error, 1)
	p := start(t, "dial", "--linger", "0", "--close-code", "4321", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			_, err := conn.Readable().Pull(r.Context())
			ends <- err
			return err
		}))
	require.NoError(t, p.stdin.Close())
	require.Equal(t, 4321, wsstream.CloseCode(<-ends))
	p.wantEnd(0)
}

func TestDialWaitsForAnswersAfterTheEndOfTheInput(t *testing.T) {
	p := start(t, "dial", server(t, nil, echo))
	p.send("a\nb\nc")
	require.NoError(t, p.stdin.Close())
	stdout, _ := p.wantEnd(0)
	require.Equal(t, "a\nb\nc\n", stdout)
}

func TestDialClosesAfterTheLastMessageOfItsCount(t *testing.T) {
	for _, flags := range [][]string{nil, {"--record", os.DevNull}} {
		p := start(t, append(flags, "dial", "--count", "2", server(t, nil, echo))...)
		p.send("a\nb\nc\n")
		stdout, _ := p.wantEnd(0)
		require.Equal(t, "a\nb\n", stdout)
	}
}

func TestDialGoesOnReceivingWithNoClose(t *testing.T) {
	sent := make(chan struct{})
	p := start(t, "dial", "--no-close", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			<-sent
			return conn.Writable().Write(r.Context(), wsstream.Text("later"))
		}))
	require.NoError(t, p.stdin.Close())
	close(sent)
	p.wantLine("later")
	p.wantEnd(0)
}

func TestDialCopiesBinaryOfAnyLength(t *testing.T) {
	p := start(t, "dial", "--binary", server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
		m, err := conn.Readable().Pull(r.Context())
		if err != nil || m.Type != wsstream.TypeBinary {
			return errors.Join(err, errors.New(m.Type.String()))
		}
		w, err := conn.Writable().NewMessage(r.Context(), wsstream.TypeBinary)
		if err != nil {
			return err
		}
		for range 100 { // 100 MB in one message, which has no room in memory
			if _, err := w.Write(make([]byte, 1_000_000)); err != nil {
				return err
			}
		}
		return w.Close()
	}))
	p.send("\x00\xff")
	n, err := io.Copy(io.Discard, p.stdout)
	require.NoError(t, err)
	require.EqualValues(t, 100_000_000, n)
	p.wantEnd(0)
}

// blocked is how long a write must wait to count as blocked.
const blocked = 300 * time.Millisecond

const lineLen = 32 << 10

func TestASlowReaderOfTheOutputSlowsTheServer(t *testing.T) {
	const total = 64 << 20
	full := make(chan int, 1) // what the server could write until its Write blocked
	path := socket(t, func(conn *wsstream.Conn, r *http.Request) error {
		line := []byte(strings.Repeat("x", lineLen-1))
		for sent := 0; sent < total; sent += lineLen {
			ctx, cancel := context.WithTimeout(r.Context(), blocked)
			err := conn.Writable().Write(ctx, wsstream.Message{Type: wsstream.TypeText, Data: line})
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				full <- sent
				err = conn.Writable().Write(r.Context(), wsstream.Message{
					Type: wsstream.TypeText, Data: line})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	p := start(t, "dial", "--unix", path, "ws://localhost")
	require.Less(t, <-full, 4<<20, "two windows and the kernel's buffers")
	n, err := io.Copy(io.Discard, p.stdout)
	require.NoError(t, err)
	require.EqualValues(t, total, n, "and nothing is lost")
	p.wantEnd(0)
}

func TestASlowServerSlowsTheWriterOfTheInput(t *testing.T) {
	const total = 64 << 20
	begin, got := make(chan struct{}), make(chan int, 1)
	path := socket(t, func(conn *wsstream.Conn, r *http.Request) error {
		<-begin
		n := 0
		for m, err := range conn.Readable().All(r.Context()) {
			if err != nil {
				return err
			}
			n += len(m.Data) + 1
		}
		got <- n
		return nil
	})
	p := start(t, "dial", "--unix", path, "ws://localhost")
	block := []byte(strings.Repeat("x", lineLen-1) + "\n")
	written := 0
	for {
		require.NoError(t, p.stdin.SetWriteDeadline(time.Now().Add(blocked)))
		n, err := p.stdin.Write(block)
		written += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		require.NoError(t, err)
		require.Less(t, written, total, "the writer never blocks")
	}
	require.Less(t, written, 4<<20)
	require.NoError(t, p.stdin.SetWriteDeadline(time.Time{}))
	close(begin)
	rest := block[written%len(block):] // of the line that was cut, or a line
	p.send(string(rest))
	written += len(rest)
	require.NoError(t, p.stdin.Close())
	require.Equal(t, written, <-got)
	p.wantEnd(0)
}

func TestAnInterruptClosesAndWaitsForTheHandshake(t *testing.T) {
	ends := make(chan error, 1)
	p := start(t, "dial", server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
		if err := conn.Writable().Write(r.Context(), wsstream.Text("hello")); err != nil {
			return err
		}
		_, err := conn.Readable().Pull(r.Context())
		ends <- err
		return errors.Join(conn.Writable().Write(r.Context(), wsstream.Text("last")), err)
	}))
	p.wantLine("hello")
	p.interrupt()
	require.ErrorIs(t, <-ends, io.EOF, "the code was 1000")
	p.wantEnd(0)
}

// mute is a server that answers the handshake and never a Close. It reports that a Close has come.
func mute(t *testing.T) (url string, closes <-chan struct{}) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	came := make(chan struct{})
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		in := bufio.NewReader(nc)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") +
			"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
			"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi",
			base64.StdEncoding.EncodeToString(sum[:]))
		if b, err := in.ReadByte(); err == nil && b == 0x88 {
			close(came)
		}
		_, _ = io.Copy(io.Discard, in)
	}()
	return "ws://" + l.Addr().String(), came
}

func TestASecondInterruptCuts(t *testing.T) {
	url, closes := mute(t)
	p := start(t, "dial", "--close-timeout", "1h", url)
	p.wantLine("hi")
	p.interrupt()
	<-closes
	p.interrupt()
	_, stderr := p.wantEnd(130)
	require.Equal(t, "wsstream: interrupted\n", stderr)
}

func TestAServerThatDoesNotAnswerTheCloseIsLost(t *testing.T) {
	url, _ := mute(t)
	p := start(t, "dial", "--linger", "0", "--close-timeout", "50ms", url)
	p.wantLine("hi")
	require.NoError(t, p.stdin.Close())
	p.wantEnd(5)
}

func TestAReaderThatHasEnoughClosesInOrder(t *testing.T) {
	ends := make(chan error, 1)
	p := start(t, "dial", server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
		for {
			if err := conn.Writable().Write(r.Context(), wsstream.Text("y")); err != nil {
				ends <- err
				return err
			}
		}
	}))
	p.wantLine("y")
	require.NoError(t, p.closeOutput())
	require.ErrorIs(t, <-ends, wsstream.ErrClosed)
	_ = p.cmd.Wait()
	require.Zero(t, p.cmd.ProcessState.ExitCode())
}

func TestExitStatusesAndMessages(t *testing.T) {
	closes := func(code int, reason string) string {
		return server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
			return conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: code, Reason: reason})
		})
	}
	lost := server(t, nil, func(conn *wsstream.Conn, _ *http.Request) error {
		conn.CloseNow()
		return nil
	})
	notFound := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notFound.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>"+strings.Repeat("x", 100)+"\nsecond")
	}))
	t.Cleanup(page.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close()) // nothing listens there
	for name, tc := range map[string]struct {
		args    []string
		input   string
		status  int
		message string // of standard error, one line
	}{
		"a clean close":   {args: []string{"dial", closes(1000, "")}},
		"no URL":          {[]string{"dial"}, "", 2, "URL is missing"},
		"two URLs":        {[]string{"dial", "ws://a", "ws://b"}, "", 2, `unexpected argument "ws://b"`},
		"a bad URL":       {[]string{"dial", "ftp://a"}, "", 2, "ftp"},
		"an unknown flag": {[]string{"dial", "--no"}, "", 2, "unknown flag: --no"},
		"a bad size":      {[]string{"dial", "--window", "0", "ws://a"}, "", 2, "want a number of bytes"},
		"a bad header":    {[]string{"dial", "--header", "a", "ws://a"}, "", 2, `bad --header "a"`},
		"a bad code":      {[]string{"dial", "--close-code", "1006", "ws://a"}, "", 2, "bad --close-code 1006"},
		"a bad proxy":     {[]string{"dial", "--proxy", "a", "ws://a"}, "", 2, `bad --proxy "a"`},
		"a bad count":     {[]string{"dial", "--count", "-1", "ws://a"}, "", 2, "bad --count -1"},
		"fast alone":      {[]string{"dial", "--fast", "ws://a"}, "", 2, "--fast needs --replay"},
		"a small window":  {[]string{"dial", "--window", "1", "ws://a"}, "", 2, "256"},
		"no such command": {[]string{"dail"}, "", 2, `unknown command "dail"`},
		"a page": {[]string{"dial", page.URL}, "", 3,
			`: "<html>` + strings.Repeat("x", 74) + `"` + "\n"},
		"no such shell":   {[]string{"completion", "foo"}, "", 2, `unknown command "foo"`},
		"not found":       {[]string{"dial", notFound.URL}, "", 3, "404"},
		"nothing listens": {[]string{"dial", "ws://" + l.Addr().String()}, "", 3, "refused"},
		"no such socket":  {[]string{"dial", "--unix", "no/such", "ws://a"}, "", 3, "no/such"},
		"another code":    {[]string{"dial", closes(4001, "why not")}, "", 4, "why not"},
		"lost":            {[]string{"dial", lost}, "", 5, "1006"},
		"no certificates": {[]string{"dial", "--cacert", "no/such", "ws://a"}, "", 1, "no/such"},
		"no such record":  {[]string{"dial", "--replay", "no/such", "ws://a"}, "", 1, "no/such"},
		"no such folder":  {[]string{"dial", "--record", "no/such", "ws://a"}, "", 1, "no/such"},
		"a line of no text": {[]string{"dial", server(t, nil, echo)}, "a\n\xff\n", 1,
			"line 2 is not UTF-8: --binary"},
		"help for an unknown command was help": {[]string{"help", "dail"}, "", 2,
			`unknown command "dail"`},
		"a line too long": {[]string{"dial", "--max-message", "4", server(t, nil, echo)}, "12345\n", 1,
			"the input"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, tc.args...)
			p.send(tc.input)
			_, stderr := p.wantEnd(tc.status)
			if tc.message == "" {
				require.Empty(t, stderr)
				return
			}
			require.Regexp(t, `^wsstream: [^\n]+\n$`, stderr, "one line")
			require.Contains(t, stderr, tc.message)
			require.NotContains(t, stderr, "wsstream: wsstream:")
		})
	}
}

func TestDialSendsWhatTheFlagsSay(t *testing.T) {
	requests := make(chan *http.Request, 1)
	url := server(t, &wsstream.AcceptOptions{
		Subprotocols: []string{"two"},
		Origins:      []string{"*"},
		Compression:  &wsstream.CompressionOptions{},
	}, func(_ *wsstream.Conn, r *http.Request) error {
		requests <- r
		return nil
	})
	start(t, "dial", "--protocol", "one", "--protocol", "two", "--header", "X-Test: a:b",
		"--header", "Host: example.org", "--origin", "https://example.net", "--compress", url).wantEnd(0)
	r := <-requests
	require.Equal(t, "one, two", strings.Join(r.Header["Sec-Websocket-Protocol"], ", "))
	require.Equal(t, "a:b", r.Header.Get("X-Test"))
	require.Equal(t, "example.org", r.Host)
	require.Equal(t, "https://example.net", r.Header.Get("Origin"))
	require.Contains(t, r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
}

func TestDialTrustsACertificateOnlyIfItIsTold(t *testing.T) {
	s := httptest.NewUnstartedServer(accept(t, nil, echo))
	s.Config.ErrorLog = silent()
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	for _, tc := range []struct {
		flags  []string
		status int
	}{
		{nil, 3},
		{[]string{"--insecure"}, 0},
		{[]string{"--cacert", ca}, 0},
	} {
		p := start(t, append([]string{"dial", "--linger", "0", s.URL}, tc.flags...)...)
		require.NoError(t, p.stdin.Close())
		p.wantEnd(tc.status)
	}
}

func TestDialConnectsToAUnixSocket(t *testing.T) {
	p := start(t, "dial", "--unix", socket(t, echo), "ws://localhost/")
	p.send("over a socket\n")
	p.wantLine("over a socket")
}

// socket is server on a unix socket, whose path it returns. TCP may drop what waits, and needs time
// to recover. A unix socket does not.
func socket(t *testing.T, serve func(*wsstream.Conn, *http.Request) error) string {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: accept(t, nil, serve)}}
	s.Start()
	t.Cleanup(s.Close)
	return path
}

func TestDialGoesThroughTheProxy(t *testing.T) {
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	p := start(t, "dial", "--proxy", proxy.URL, "ws://example.org:8080/")
	_, stderr := p.wantEnd(3)
	require.Equal(t, "CONNECT example.org:8080", <-asked)
	require.Contains(t, stderr, "403")
	p = start(t, "dial", "--linger", "0", "--proxy", "none", server(t, nil, echo))
	require.NoError(t, p.stdin.Close())
	p.wantEnd(0)
}

func TestDialPingsAfterSilence(t *testing.T) {
	pings := make(chan struct{}, 8)
	start(t, "dial", "--ping", "10ms", server(t, &wsstream.AcceptOptions{
		OnPing: func([]byte) {
			select {
			case pings <- struct{}{}:
			default:
			}
		},
	}, echo))
	<-pings
	<-pings
}

func TestDialReconnectsAndGoesOnWithTheInput(t *testing.T) {
	var conns atomic.Int32
	p := start(t, "dial", "--linger", "0", "--reconnect", "--reconnect-max", "20ms", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			if conns.Add(1) == 1 {
				m, err := conn.Readable().Pull(r.Context())
				_ = conn.Writable().Write(r.Context(), m)
				_ = conn.Writable().Flush(r.Context())
				conn.CloseNow()
				return err
			}
			return echo(conn, r)
		}))
	p.send("one\n")
	p.wantLine("one")
	require.Regexp(t, `1006.*; connecting again in \d`, p.wantError("connecting again"))
	p.send("two\n")
	p.wantLine("two")
	require.NoError(t, p.stdin.Close())
	p.wantEnd(0)
	require.EqualValues(t, 2, conns.Load())
}

func TestDialDoesNotReconnectWhereThatCannotHelp(t *testing.T) {
	notFound := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notFound.Close)
	start(t, "dial", "--reconnect", notFound.URL).wantEnd(3)
	start(t, "dial", "--reconnect", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			return conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 4000})
		})).wantEnd(4)
}

func TestAnInterruptEndsTheWaitBeforeAReconnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	p := start(t, "dial", "--reconnect", "--reconnect-max", "1h", "ws://"+l.Addr().String())
	p.wantError("connecting again")
	p.interrupt()
	p.wantEnd(130)
}

func TestARecordIsReplayed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	p := start(t, "dial", "--linger", "0", "--record", path, server(t, nil, echo))
	p.send("<one>\n")
	p.wantLine("<one>")
	p.send("\n")
	p.wantLine("")
	require.NoError(t, p.stdin.Close())
	p.wantEnd(0)
	record, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `^\{"at":[\d.e-]+,"from":"client","type":"text","text":"<one>"\}\n`+
		`\{"at":[\d.e-]+,"from":"server","type":"text","text":"<one>"\}\n`+
		`\{"at":[\d.e-]+,"from":"client","type":"text"\}\n`+
		`\{"at":[\d.e-]+,"from":"server","type":"text"\}\n$`, string(record))
	stdout, _ := start(t, "dial", "--count", "2", "--replay", path, server(t, nil, echo)).wantEnd(0)
	require.Equal(t, "<one>\n\n", stdout)
}

func TestAReplayKeepsTheTimesUnlessItIsFast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	require.NoError(t, os.WriteFile(path, []byte(`{"at":0,"from":"client","type":"text","text":"a"}
{"at":0.1,"from":"server","type":"text","text":"ignored"}
{"at":0.4,"from":"client","type":"binary","base64":"Yg=="}
`), 0o600))
	took := func(flags ...string) time.Duration {
		times := make(chan time.Time, 2)
		url := server(t, nil, func(conn *wsstream.Conn, r *http.Request) error {
			for _, err := range conn.Readable().All(r.Context()) {
				if err != nil {
					return err
				}
				times <- time.Now()
			}
			return nil
		})
		start(t, append(flags, "dial", "--linger", "0", "--replay", path, url)...).wantEnd(0)
		first := <-times
		return (<-times).Sub(first)
	}
	require.Greater(t, took(), 300*time.Millisecond)
	p := start(t, "dial", "--count", "2", "--replay", path, "--fast", server(t, nil, echo))
	stdout, _ := p.wantEnd(0)
	require.Equal(t, "a\nb\n", stdout)
}

func TestABadRecordIsAFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	for name, tc := range map[string]struct{ record, message string }{
		"no JSON": {"no JSON", "invalid character"},
		"an unknown type was an empty binary message": {
			`{"at":0,"from":"client","type":"txt","text":"a"}`,
			`message 1: type "txt": want "text" or "binary"`},
		"an unknown sender was left out": {
			`{"from":"server","type":"text"} {"type":"text","text":"a"}`,
			`message 2: from "": want "client" or "server"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(tc.record), 0o600))
			_, stderr := start(t, "dial", "--replay", path, server(t, nil, echo)).wantEnd(1)
			require.Contains(t, stderr, path+": "+tc.message)
		})
	}
}

func TestARecordEmptiedTheFileThatItReplays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	require.NoError(t, os.WriteFile(path, []byte("messages"), 0o600))
	link := path + "-link"
	require.NoError(t, os.Symlink(path, link))
	_, stderr := start(t, "dial", "--replay", path, "--record", link, "ws://a").wantEnd(2)
	require.Contains(t, stderr, "--record would empty the file of --replay")
	record, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "messages", string(record))
}

func TestABadLineHidBehindAServerThatDoesNotClose(t *testing.T) {
	url, _ := mute(t)
	p := start(t, "dial", "--max-message", "4", "--close-timeout", "50ms", url)
	p.wantLine("hi")
	p.send("12345\n")
	_, stderr := p.wantEnd(1)
	require.Contains(t, stderr, "the input: line of more than 4 bytes")
}

func TestStatsShowRatesAndTotals(t *testing.T) {
	p := start(t, "dial", "--linger", "0", "--stats", server(t, nil, echo))
	p.send("hello\n")
	p.wantLine("hello")
	require.Regexp(t, `received .*/s, held .*, stalled 0 %; sent .*; round trip `,
		p.wantError("round trip"))
	require.NoError(t, p.stdin.Close())
	_, stderr := p.wantEnd(0)
	require.Regexp(t, `received 1 messages, 5 B, held at most .*; sent 1 messages, 5 B, .*; in 1`,
		stderr)
}

func TestControlFramesAreShownOnRequest(t *testing.T) {
	p := start(t, "dial", "--show-control", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			if _, err := conn.Ping(r.Context()); err != nil {
				return err
			}
			return conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000, Reason: "enough"})
		}))
	_, stderr := p.wantEnd(0)
	require.Regexp(t, `(?s)wsstream: ping ".*wsstream: close 1000 .*enough`, stderr)
}
