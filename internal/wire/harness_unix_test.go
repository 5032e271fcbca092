//go:build unix

package wire

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// crammed returns a server's Conn on a socket that takes little, and the peer's end.
func crammed(t *testing.T, cfg Config) (*Conn, net.Conn) { return socketPair(t, cfg, 32<<10) }

// stuffed returns a Conn whose flusher waits for a peer that reads nothing.
func stuffed(t *testing.T, client bool) (*Conn, net.Conn) {
	c, far := socketPair(t, Config{Client: client, MaxFrame: 16 << 10}, 4<<10)
	ok, err := c.TryWrite(ws.OpBinary, make([]byte, 1<<20), false)
	require.NoError(t, err)
	require.True(t, ok)
	untilStalled(t, c, inBackground)
	return c, far
}

// controls counts the chunks that hold control frames and have not left, and the chunks of frames
// of messages.
func controls(c *Conn) (held, others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.send.out.head; at != nil; at = at.next {
		if at.paid {
			others++
		} else {
			held++
		}
	}
	if c.send.pongs != nil {
		held++
	}
	if c.send.pings != nil && c.send.pings.unsent != nil {
		held++
	}
	return held, others
}

// receive reads from the peer's end until the Conn has nothing left to send.
func receive(t *testing.T, c *Conn, far net.Conn) []byte {
	t.Helper()
	var wire bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&wire, far)
		read <- err
	}()
	c.Close(CloseInfo{Code: 1000})
	for sent := false; !sent; runtime.Gosched() {
		require.NoError(t, t.Context().Err())
		c.mu.Lock()
		sent = c.end.facts().closeLeft
		c.mu.Unlock()
	}
	require.NoError(t, c.nc.(*net.TCPConn).CloseWrite())
	require.NoError(t, <-read)
	return wire.Bytes()
}

// lostBehind returns a Conn whose peer fills its read window and more, and is gone then as gone
// does it.
func lostBehind(t *testing.T, cfg Config, gone func(far *net.TCPConn)) *Conn {
	cfg.CloseTimeout = 50 * time.Millisecond
	c, far := socketPair(t, cfg, 0)
	_, err := far.Write(
		bytes.Repeat(append([]byte{0x82, 0x80 | 100, 0, 0, 0, 0}, make([]byte, 100)...), 1000),
	)
	require.NoError(t, err)
	for full := false; !full; runtime.Gosched() {
		require.NoError(t, t.Context().Err())
		full = c.recv.window.Credit() <= 0
	}
	gone(far.(*net.TCPConn))
	return c
}

func reset(far *net.TCPConn) {
	_ = far.SetLinger(0)
	_ = far.Close()
}

const lookAfter = 100 * time.Millisecond

// watching is each option that looks at a peer, alone.
var watching = map[string]Config{
	"PingInterval and PongTimeout": {PingInterval: lookAfter, PongTimeout: lookAfter},
	"PingInterval":                 {PingInterval: lookAfter, PongTimeout: 0},
	"IdleTimeout":                  {IdleTimeout: lookAfter},
	"WriteStallTimeout":            {StallTimeout: lookAfter},
	"ReadStallTimeout":             {ReadTimeout: lookAfter},
}

// frameLimits are a limit that makes many frames of a message, and none.
var frameLimits = []int{64 << 10, 0}
