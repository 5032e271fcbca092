package main_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// relays starts a relay, and returns where it listens.
func relays(t *testing.T, args ...string) (p *process, place string) {
	p = start(t, append([]string{"relay"}, args...)...)
	return p, p.listening()
}

// tcpServer serves TCP connections until the test ends, and returns the address.
func tcpServer(t *testing.T, serve func(nc *net.TCPConn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				serve(nc.(*net.TCPConn))
			}()
		}
	}()
	return "tcp:" + l.Addr().String()
}

func dialTCP(t *testing.T, place string) *net.TCPConn {
	nc, err := net.Dial("tcp", strings.TrimPrefix(place, "tcp:"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.TCPConn)
}

// refusal returns the error that a client of TCP gets.
func refusal(place string) error {
	nc, err := net.Dial("tcp", strings.TrimPrefix(place, "tcp:"))
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = io.ReadAll(nc)
	return err
}

func TestRelayFromAWebSocketToTCP(t *testing.T) {
	got := make(chan string, 1)
	_, url := relays(t, "ws://127.0.0.1:0", tcpServer(t, func(nc *net.TCPConn) {
		_, _ = nc.Write([]byte("hello"))
		b, _ := io.ReadAll(nc)
		got <- string(b)
	}))
	conn := client(t, url, nil)
	m, err := conn.Readable().Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, wsstream.TypeBinary, m.Type)
	require.Equal(t, "hello", string(m.Data))
	for _, part := range []string{"one ", "two"} {
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary([]byte(part))))
	}
	require.NoError(t, conn.Writable().Close(t.Context()))
	require.Equal(t, "one two", <-got)
}

func TestRelayFromTCPToAWebSocket(t *testing.T) {
	got := make(chan error, 1)
	_, place := relays(t, "tcp:127.0.0.1:0", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			err := echo(conn, r)
			got <- err
			return err
		}))
	nc := dialTCP(t, place)
	_, err := nc.Write([]byte("hello"))
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(nc, b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.NoError(t, nc.CloseWrite())
	require.NoError(t, <-got, "the code was 1000")
	_, err = nc.Read(b)
	require.ErrorIs(t, err, io.EOF)
}

func TestRelayKeepsMessagesSubprotocolAndCloseOfWebSockets(t *testing.T) {
	closes := make(chan error, 1)
	_, url := relays(t, "ws://127.0.0.1:0/", server(t,
		&wsstream.AcceptOptions{Subprotocols: []string{"b"}},
		func(conn *wsstream.Conn, r *http.Request) error {
			for m, err := range conn.Readable().All(r.Context()) {
				if err != nil {
					closes <- err
					return err
				}
				if string(m.Data) == "close" {
					return conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 4001, Reason: "bye"})
				}
				if err := conn.Writable().Write(r.Context(), m); err != nil {
					return err
				}
			}
			return nil
		}))
	o := &wsstream.DialOptions{Subprotocols: []string{"a", "b"}}
	conn := client(t, url, o)
	opened, _, _ := conn.Opened().Peek()
	require.Equal(t, "b", opened.Protocol)
	for _, want := range []wsstream.Message{
		wsstream.Text("text"), wsstream.Text(""), wsstream.Binary([]byte("\xff")),
	} {
		require.NoError(t, conn.Writable().Write(t.Context(), want))
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, want.Type, m.Type)
		require.Equal(t, string(want.Data), string(m.Data))
	}
	require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("close")))
	info, err := conn.Closed().Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, wsstream.CloseInfo{Code: 4001, Reason: "bye"}, info)

	conn = client(t, url, o)
	require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 4002, Reason: "from the client"}))
	require.ErrorContains(t, <-closes, "4002")
}

func TestRelayBetweenUnixSockets(t *testing.T) {
	folder := t.TempDir()
	l, err := net.Listen("unix", folder+"/target")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	relays(t, "unix:"+folder+"/listen", "unix:"+folder+"/target")
	nc, err := net.Dial("unix", folder+"/listen")
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	target, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = target.Close() })
	_, err = nc.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, nc.(*net.UnixConn).CloseWrite())
	b, err := io.ReadAll(target)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	_, err = target.Write([]byte("the other direction goes on"))
	require.NoError(t, err)
	require.NoError(t, target.Close())
	b, err = io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, "the other direction goes on", string(b))
}

func TestRelaySlowsTheServerWhoseClientDoesNotRead(t *testing.T) {
	const total = 32 << 20
	full := make(chan int, 1)
	path := socket(t, func(conn *wsstream.Conn, r *http.Request) error {
		message := wsstream.Binary(make([]byte, lineLen))
		for sent := 0; sent < total; sent += lineLen {
			ctx, cancel := context.WithTimeout(r.Context(), blocked)
			err := conn.Writable().Write(ctx, message)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				full <- sent
				err = conn.Writable().Write(r.Context(), message)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	listen := filepath.Join(t.TempDir(), "listen")
	relays(t, "unix:"+listen, "ws://localhost", "--unix", path)
	nc, err := net.Dial("unix", listen)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.Less(t, <-full, 4<<20)
	n, err := io.Copy(io.Discard, nc)
	require.NoError(t, err)
	require.EqualValues(t, total, n)
}

func TestALostSideNeverLooksComplete(t *testing.T) {
	p, place := relays(t, "tcp:127.0.0.1:0", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			m, err := conn.Readable().Pull(r.Context())
			_ = conn.Writable().Write(r.Context(), m)
			_ = conn.Writable().Flush(r.Context())
			conn.CloseNow()
			return err
		}))
	nc := dialTCP(t, place)
	_, err := nc.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	p.wantError("1006")

	_, url := relays(t, "ws://127.0.0.1:0", tcpServer(t, func(nc *net.TCPConn) {
		_, _ = nc.Read(make([]byte, 1))
		_ = nc.SetLinger(0)
	}))
	conn := client(t, url, nil)
	require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary([]byte("x"))))
	info, err := conn.Closed().Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1011, info.Code)
}

func TestATargetThatIsNotReachedIs502(t *testing.T) {
	p, url := relays(t, "ws://127.0.0.1:0", "unix:no/such")
	_, err := wsstream.Dial(t.Context(), url, nil).Opened().Wait(t.Context())
	refused, ok := errors.AsType[*wsstream.HandshakeError](err)
	require.True(t, ok)
	require.Equal(t, http.StatusBadGateway, refused.Status)
	p.wantError("no/such")
	p, place := relays(t, "tcp:127.0.0.1:0", "unix:no/such")
	require.ErrorIs(t, refusal(place), syscall.ECONNRESET)
	p.wantError("no/such")
}

func TestRelayRefusesConnectionsBeyondTheMaximum(t *testing.T) {
	_, place := relays(t, "--max-conns", "1", "tcp:127.0.0.1:0", tcpServer(t, func(nc *net.TCPConn) {
		_, _ = io.Copy(nc, nc)
	}))
	one := dialTCP(t, place)
	_, err := one.Write([]byte("x"))
	require.NoError(t, err)
	_, err = one.Read(make([]byte, 1))
	require.NoError(t, err)
	require.ErrorIs(t, refusal(place), syscall.ECONNRESET)
}

func TestAnInterruptOfRelayClosesWith1001(t *testing.T) {
	ends := make(chan error, 1)
	p, url := relays(t, "ws://127.0.0.1:0", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			err := echo(conn, r)
			ends <- err
			return err
		}))
	conn := client(t, url, nil)
	require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("x")))
	require.Equal(t, "x", pull(t, conn))
	p.interrupt()
	_, err := conn.Readable().Pull(t.Context())
	require.Equal(t, 1001, wsstream.CloseCode(err))
	require.Equal(t, 1001, wsstream.CloseCode(<-ends))
	p.wantEnd(0)
}

func TestASecondInterruptOfRelayCuts(t *testing.T) {
	url, closes := mute(t)
	p, place := relays(t, "--close-timeout", "1h", "tcp:127.0.0.1:0", url)
	nc := dialTCP(t, place)
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := io.ReadFull(nc, make([]byte, 1))
	require.Error(t, err, "text, which is no bytes")
	<-closes
	p.interrupt()
	require.Eventually(t, func() bool { // it listens no more
		return errors.Is(refusal(place), syscall.ECONNREFUSED)
	}, 10*time.Second, 10*time.Millisecond)
	p.interrupt()
	p.wantEnd(130)
}

func TestRelayReportsWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		args    []string
		status  int
		message string
	}{
		"no target":      {[]string{"relay", "tcp:a:1"}, 2, "TARGET is missing"},
		"a bad address":  {[]string{"relay", "a:1", "tcp:a:1"}, 2, `bad address "a:1"`},
		"no host":        {[]string{"relay", "ws:a", "tcp:a:1"}, 2, `bad address "ws:a"`},
		"no certificate": {[]string{"relay", "wss://:1", "tcp:a:1"}, 2, "--cert"},
		"a certificate":  {[]string{"relay", "--cert", "a", "ws://:1", "tcp:a:1"}, 2, "--cert"},
		"a bad place":    {[]string{"relay", "unix:no/such/place", "tcp:a:1"}, 1, "no/such/place"},
		"a bad URL failed each client": {[]string{"relay", "tcp:127.0.0.1:0", "ws://a/#b"}, 2,
			"has a fragment"},
		"no port failed each client": {[]string{"relay", "tcp:127.0.0.1:0", "tcp:a"}, 2,
			"missing port"},
		"a bad port failed each client": {[]string{"relay", "tcp:127.0.0.1:0", "tcp:a:99999"}, 2,
			"invalid port"},
		"a bad web address": {[]string{"relay", "ws://a:b", "tcp:a:1"}, 1, "port"},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr := start(t, tc.args...).wantEnd(tc.status)
			require.Regexp(t, `^wsstream: [^\n]+\n$`, stderr)
			require.Contains(t, stderr, tc.message)
		})
	}
}
