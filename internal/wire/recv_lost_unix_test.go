//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package wire

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALostConnIsCheckedLaterOnlyBehindAFullWindow(t *testing.T) {
	t.Run("room", func(t *testing.T) {
		c, far := socketPair(t, Config{}, 0)
		until(t, func() bool { return rests(c) })
		reset(far.(*net.TCPConn))
		<-c.end.done.Done()
		require.ErrorIs(t, c.End(), syscall.ECONNRESET)
		require.False(t, c.flags.has(isSuspect))
	})
	t.Run("a full window", func(t *testing.T) {
		c := behindFullWindow(t, Config{}, reset)
		until(t, func() bool { return c.flags.has(isSuspect) })
		require.False(t, c.end.done.Closed())
		<-c.end.done.Done()
		require.ErrorIs(t, c.End(), syscall.ECONNRESET)
		require.False(t, c.flags.has(isSuspect))
	})
	t.Run("a full window, and a FIN", func(t *testing.T) {
		c := behindFullWindow(t, Config{}, func(far *net.TCPConn) { _ = far.CloseWrite() })
		until(t, func() bool { return c.flags.has(isSuspect) })
		until(t, func() bool { return !c.flags.has(isSuspect) })
		<-time.After(idleWait)
		require.False(t, c.flags.has(isSuspect), "no call has pulled")
		require.False(t, c.end.done.Closed())
	})
}

// rests reports whether the poller watches c.
func rests(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wait.kind == inPoller
}
