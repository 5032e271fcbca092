//go:build amd64 || arm64

package wire

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slow returns a server's Conn on a socket with a large send buffer, and the peer's end, with a
// small receive buffer.
func slow(t *testing.T, cfg Config) (*Conn, *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	d := net.Dialer{Control: smallReceiver}
	far, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	near, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, near.(*net.TCPConn).SetWriteBuffer(256<<10))
	cfg.MaxFrame, cfg.CloseTimeout = 16<<10, time.Millisecond
	return started(t, cfg, near, far), far.(*net.TCPConn)
}

func smallReceiver(_, _ string, raw syscall.RawConn) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
	}), err)
}

// readAt reads about rate bytes a second, evenly, until it has read enough.
func readAt(t *testing.T, nc net.Conn, rate, enough int) {
	t.Helper()
	const tick = 20 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	buf := make([]byte, rate/int(time.Second/tick))
	for n := 0; n < enough; {
		<-ticker.C
		k, err := io.ReadAtLeast(nc, buf, 1)
		require.NoError(t, err)
		n += k
	}
}

func TestTransportProgressRestartsThePongTimeout(t *testing.T) {
	const size = 300 << 10
	c, far := slow(
		t,
		Config{PingInterval: 100 * time.Millisecond, PongTimeout: 400 * time.Millisecond},
	)
	require.NoError(t, c.Write(t.Context(), 2, make([]byte, size), false))
	require.NoError(t, c.Flush(t.Context()))
	_, queued, ok := tcpProgress(c.nc)
	require.True(t, ok)
	require.Greater(t, queued, uint64(200<<10), "our kernel does not have it")
	readAt(t, far, 150<<10, size) // for two seconds, with a ping behind the message
	require.False(t, c.end.done.Closed())
}

func TestTransportProgressIsWhatThePeersKernelTakes(t *testing.T) {
	c, far := slow(t, Config{StallTimeout: 800 * time.Millisecond})
	writing := make(chan error, 1)
	go func() { writing <- c.Write(t.Context(), 2, make([]byte, 2<<20), false) }()
	// Our kernel wakes a writer only when a third of its buffer has left.
	readAt(t, far, 40<<10, 120<<10)
	require.False(t, c.end.done.Closed())
	require.ErrorContains(t, <-writing, "WriteStallTimeout", "the peer takes nothing now")
}

func TestTransportProgressDelaysOnlyAPingWithDataInFront(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	write := func(n int) (acked uint64) {
		require.NoError(t, c.Write(t.Context(), 2, make([]byte, n), false))
		require.NoError(t, c.Flush(t.Context()))
		_, err := io.ReadFull(far, make([]byte, n+4))
		require.NoError(t, err)
		until(t, func() bool {
			all, queued, ok := tcpProgress(c.nc)
			acked = all
			return ok && queued == 0
		})
		return acked
	}
	behind := func(p *ping) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.behindLocked(p)
	}
	const size = 10 << 10
	before := write(size)
	p := &ping{front: 3 * size, acked: before}
	require.False(t, behind(p), "the peer's kernel has acknowledged nothing")
	after := write(size)
	require.True(t, behind(p))
	require.Equal(t, ping{front: 2*size - 4, acked: after}, *p)
	require.False(t, behind(p))

	require.False(t, behind(&ping{front: aloneInKernel, acked: before}))
	require.True(t, behind(&ping{front: aloneInKernel + 1, acked: before}))
}

func TestTransportProgressPutsOffTheStallTimeout(t *testing.T) {
	c, _ := socketPair(t, Config{StallTimeout: time.Minute}, 0)
	acked, _, ok := tcpProgress(c.nc)
	require.True(t, ok)
	c.mu.Lock()
	defer c.mu.Unlock()
	long := clock().add(-time.Hour)
	k := c.alive
	k.offered, k.moved, k.acked = true, long, acked+1
	_, rule := c.judgeProgressLocked()
	require.NoError(t, rule)
	require.Equal(t, acked, k.acked)
	k.moved = long
	_, rule = c.judgeProgressLocked()
	require.ErrorContains(t, rule, "WriteStallTimeout")
	k.offered = false
}
