package wire

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/latch"
)

func TestStatsBeforeStartDoNotWait(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newConn(near, Config{})
	received, _ := c.Stats()
	require.Zero(t, received.Messages)
	c.Start(nil)
	cut(c)
}

func TestStatsInAHookDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		var c *Conn
		var told tally
		cfg := Config{Client: true, ReadWindow: 256, WriteWindow: 256}
		cfg.Hooks = &Hooks{OnPong: func([]byte) {
			c.mu.Lock()
			waits := c.wait.kind == notWaiting && !c.wait.inHook
			c.mu.Unlock()
			require.False(t, waits, "Stats waits for the goroutine that runs the hook")
			told = c.receivedSoFar()
		}}
		c = newConn(near, cfg)
		defer func() {
			cut(c)
			_ = far.Close()
		}()
		c.Start([]byte("\x81\x01a"))
		_, _, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		_, err = far.Write([]byte("\x8a\x00\x81\x01b"))
		require.NoError(t, err)
		_, _, err = c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, int64(1), told.messages)
		require.False(t, c.wait.inHook)
	})
}

func TestStatsWaitForARunningPull(t *testing.T) {
	for name, goesOn := range map[string]func(t *testing.T, c *Conn){
		"it releases readGate": func(_ *testing.T, c *Conn) { c.unlockRead() },
		"it waits for the transport": func(t *testing.T, c *Conn) {
			go func() { // ends with the connection
				defer c.unlockRead()
				_, _ = c.waitForInput(t.Context(), nil)
			}()
		},
		"it waits for the end": func(t *testing.T, c *Conn) {
			go func() { // ends with the connection
				defer c.unlockRead()
				_ = c.awaitEnd(t.Context())
			}()
		},
		"the background reader takes over": func(_ *testing.T, c *Conn) { go c.runBackground() },
		"the background reader has no reason to read": func(_ *testing.T, c *Conn) {
			c.recv.eof = true
			c.readInBackground()
		},
		"another pull has the turn": func(t *testing.T, c *Conn) {
			go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
			synctest.Wait()
			c.unlockRead()
		},
		"it runs a hook": func(t *testing.T, c *Conn) {
			told := make(chan struct{})
			c.hooks = &Hooks{OnPing: func([]byte) { <-told }}
			go func() { // ends when told is closed
				c.callHook(control{op: ws.OpPing})
				c.unlockRead()
			}()
			synctest.Wait()
			t.Cleanup(func() { close(told) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
				require.NoError(t, c.lockRead(t.Context()))
				c.recv.received.add(7) // this much of Pull has run
				told := make(chan Flow, 10)
				for range cap(told) {
					go func() { // ends with the answer
						received, _ := c.Stats()
						told <- received
					}()
				}
				synctest.Wait() // never returns while a goroutine spins
				require.Empty(t, told)
				start := time.Now()
				goesOn(t, c)
				for range cap(told) {
					require.EqualValues(t, 7, (<-told).Bytes)
				}
				require.Zero(t, time.Since(start))
				require.Nil(t, c.reads.statsAsked.Load())
			})
		})
	}
}

func TestStatsAnswerLosesNoRequestForAReader(t *testing.T) {
	near, far := net.Pipe() // in no bubble: there a goroutine may not wait for mu
	defer far.Close()
	c := newConn(near, Config{ReadWindow: 256})
	c.Start(nil)
	defer cut(c)
	stopIdleTimer(t, c)
	c.reads.statsAsked.Store(new(latch.Latch))
	c.mu.Lock()
	go c.answerStats() // locks readGate, and waits for mu
	until(t, func() bool { return !c.readGate.Free() })
	c.requestReader()
	c.mu.Unlock()
	until(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wait.kind == inBackground
	})
}
