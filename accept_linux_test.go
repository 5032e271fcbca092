//go:build linux

package wsstream_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// TestAcceptGoesOnWhenDescriptorsAreFreeAgain: while the process has no descriptor left, accepting
// fails with EMFILE. The connections that exist go on, and nothing leaks. The test runs in a
// process of its own, with a lower limit.
func TestAcceptGoesOnWhenDescriptorsAreFreeAgain(t *testing.T) {
	const child = "WSSTREAM_TEST_FEW_DESCRIPTORS"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(patient(t), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "PASS: "+t.Name()+"/AcceptConn")
		return
	}
	few := syscall.Rlimit{Cur: 200, Max: 200}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	t.Run("net_http", func(t *testing.T) {
		acceptsAgain(t, func(l net.Listener, a *wsstream.Acceptor) {
			srv := &http.Server{Handler: a.Handler(echoAll), ErrorLog: quiet}
			_ = srv.Serve(l)
		})
	})
	t.Run("AcceptConn", func(t *testing.T) {
		acceptsAgain(t, func(l net.Listener, a *wsstream.Acceptor) {
			for {
				nc, err := l.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					continue // as EMFILE: the listener waits a little
				}
				go func() { // ends with the handshake
					if conn, err := a.AcceptConn(t.Context(), nc); err == nil {
						_ = conn.Readable().Handle(func(m wsstream.Message) error {
							return conn.Writable().Write(conn.Context(), m)
						}, nil)
					}
				}()
			}
		})
	})
}

// echoAll answers each message with itself.
func echoAll(conn *wsstream.Conn, _ *http.Request) error {
	for m, err := range conn.Readable().All(conn.Context()) {
		if err == nil {
			err = conn.Writable().Write(conn.Context(), m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A scarce is a listener that counts what fails for want of a descriptor.
type scarce struct {
	net.Listener
	failed atomic.Int32
}

func (s *scarce) Accept() (net.Conn, error) {
	nc, err := s.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) {
		s.failed.Add(1)
		<-time.After(time.Millisecond)
	}
	return nc, err
}

// acceptsAgain takes all descriptors, lets a client come, and frees some.
func acceptsAgain(t *testing.T, serve func(l net.Listener, a *wsstream.Acceptor)) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &scarce{Listener: tcp}
	a := &wsstream.Acceptor{Options: wsstream.AcceptOptions{Logger: slog.New(slog.DiscardHandler)}}
	served := make(chan struct{})
	go func() {
		serve(l, a)
		close(served)
	}()
	before := len(openFiles(t))
	var clients []*wsstream.Conn
	for range 4 {
		nc, err := net.Dial("tcp", tcp.Addr().String())
		require.NoError(t, err)
		clients = append(clients, echoes(t, nc))
	}
	// A client that comes when there is no descriptor left has its own already.
	late, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var all []int
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			require.Equal(t, syscall.EMFILE, err)
			break
		}
		all = append(all, fd)
	}
	addr := tcp.Addr().(*net.TCPAddr)
	require.NoError(t, syscall.Connect(late, &syscall.SockaddrInet4{
		Port: addr.Port,
		Addr: [4]byte(addr.IP.To4()),
	}))
	until(t, func() bool { return l.failed.Load() >= 3 })
	for _, c := range clients {
		echoOn(t, c)
	}
	require.Equal(t, 4, a.Len())
	for _, c := range clients[:2] {
		c.CloseNow()
	}
	file := os.NewFile(uintptr(late), "late")
	var nc net.Conn
	until(t, func() bool {
		nc, err = net.FileConn(file) // a descriptor more
		return err == nil
	})
	require.NoError(t, file.Close())
	clients = append(clients[2:], echoes(t, nc))
	for _, c := range clients {
		echoOn(t, c)
		c.CloseNow()
	}
	for _, fd := range all {
		require.NoError(t, syscall.Close(fd))
	}
	until(t, func() bool { return a.Len() == 0 && len(openFiles(t)) == before })
	require.NoError(t, tcp.Close())
	<-served
}

// openFiles returns the names of the descriptors that this process has open.
func openFiles(t *testing.T) []os.DirEntry {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return entries
}

// echoes returns a client's Conn on nc, after an echo of the server.
func echoes(t *testing.T, nc net.Conn) *wsstream.Conn {
	c := wsstream.Dial(t.Context(), "ws://example.test/", config{}.dial(nc))
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Closed().Done()
	})
	echoOn(t, c)
	return c
}

// echoOn lets the server echo a message.
func echoOn(t *testing.T, c *wsstream.Conn) {
	t.Helper()
	require.NoError(t, c.Writable().Write(patient(t), wsstream.Text("x")))
	m, err := c.Readable().Pull(patient(t))
	require.NoError(t, err)
	require.Equal(t, "x", string(m.Data))
}
