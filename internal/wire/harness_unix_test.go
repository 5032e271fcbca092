//go:build unix

package wire

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// smallSocket returns a server's Conn on a socket whose kernel takes little, and the peer's end.
func smallSocket(t *testing.T, cfg Config) (*Conn, net.Conn) { return socketPair(t, cfg, 32<<10) }

// stalledFlusher returns a Conn whose flusher waits, because the peer reads nothing.
func stalledFlusher(t *testing.T, client bool) (*Conn, net.Conn) {
	c, far := socketPair(t, Config{Client: client, MaxFrame: 16 << 10}, 4<<10)
	ok, err := c.TryWrite(ws.OpBinary, make([]byte, 1<<20), false)
	require.NoError(t, err)
	require.True(t, ok)
	untilStalled(t, c, inBackground)
	return c, far
}

// unsentChunks counts the chunks of control frames, and those of messages, that have not left.
func unsentChunks(c *Conn) (controls, messages int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.send.out.head; at != nil; at = at.next {
		if at.paid {
			messages++
		} else {
			controls++
		}
	}
	if c.send.pongs != nil {
		controls++
	}
	if c.send.pings != nil && c.send.pings.unsent != nil {
		controls++
	}
	return controls, messages
}

// receive closes c, and returns all that arrives at the peer's end until then.
func receive(t *testing.T, c *Conn, far net.Conn) []byte {
	t.Helper()
	var wire bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&wire, far)
		read <- err
	}()
	c.Close(CloseInfo{Code: 1000})
	until(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.end.facts().closeLeft
	})
	require.NoError(t, c.nc.(*net.TCPConn).CloseWrite())
	require.NoError(t, <-read)
	return wire.Bytes()
}

// behindFullWindow returns a Conn whose peer sends more than the read window takes, and then calls
// leave.
func behindFullWindow(t *testing.T, cfg Config, leave func(far *net.TCPConn)) *Conn {
	cfg.CloseTimeout = 50 * time.Millisecond
	c, far := socketPair(t, cfg, 0)
	frame := append([]byte{0x82, 0x80 | 100, 0, 0, 0, 0}, make([]byte, 100)...)
	_, err := far.Write(bytes.Repeat(frame, 1000))
	require.NoError(t, err)
	until(t, func() bool { return c.recv.window.Credit() <= 0 })
	leave(far.(*net.TCPConn))
	return c
}

func reset(far *net.TCPConn) {
	_ = far.SetLinger(0)
	_ = far.Close()
}

// peerLimit is the time of each option in peerOptions.
const peerLimit = 100 * time.Millisecond

// peerOptions has each option alone that checks whether the peer lives.
var peerOptions = map[string]Config{
	"PingInterval and PongTimeout": {PingInterval: peerLimit, PongTimeout: peerLimit},
	"PingInterval":                 {PingInterval: peerLimit, PongTimeout: 0},
	"IdleTimeout":                  {IdleTimeout: peerLimit},
	"WriteStallTimeout":            {StallTimeout: peerLimit},
	"ReadStallTimeout":             {ReadTimeout: peerLimit},
}

// frameLimits are a limit that makes many frames of a message, and none.
var frameLimits = []int{64 << 10, 0}
