package wire

import (
	"net"
	"runtime"
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
	c := New(near, Config{Owner: testOwner{}, Errors: &testErrors,
		Ends: new(Ends)})
	received, _ := c.Stats()
	require.Zero(t, received.Messages)
	c.Start(nil)
	c.CloseNow()
	<-c.Done()
}

func TestStatsInAHookDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		var c *Conn
		var told tally
		cfg := Config{
			ReadWindow: 256, WriteWindow: 256, Client: true, Errors: &testErrors, Owner: testOwner{},
			Ends: new(Ends),
		}
		cfg.Hooks = &Hooks{OnPong: func([]byte) {
			c.mu.Lock()
			held := c.wait.kind == notWaiting && !c.wait.inHook // then it would ask for ever
			c.mu.Unlock()
			require.False(t, held)
			told = c.receivedSoFar()
		}}
		c = New(near, cfg)
		defer func() {
			c.CloseNow()
			<-c.Done()
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
		"it gives the gate up": func(_ *testing.T, c *Conn) { c.unlockRead() },
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
		"the background reader takes over":   func(_ *testing.T, c *Conn) { go c.runBackground() },
		"the background reader has no cause": func(_ *testing.T, c *Conn) { c.recv.eof = true; c.readInBackground() },
		"another pull has the turn": func(t *testing.T, c *Conn) {
			go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
			synctest.Wait()
			c.unlockRead()
		},
		"it tells a hook": func(t *testing.T, c *Conn) {
			told := make(chan struct{})
			c.hooks = &Hooks{OnPing: func([]byte) { <-told }}
			go func() { // ends when it is told
				c.callHook(control{op: ws.OpPing})
				c.unlockRead()
			}()
			synctest.Wait()
			t.Cleanup(func() { close(told) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			forced(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
				require.NoError(t, c.lockRead(t.Context()))
				c.recv.received.add(7) // so far a Pull has come
				told := make(chan Flow, 10)
				for range cap(told) {
					go func() { // ends with the answer
						received, _ := c.Stats()
						told <- received
					}()
				}
				synctest.Wait() // never returns while one spins
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
	near, far := net.Pipe() // in no bubble: a goroutine that waits for mu would stop it
	defer far.Close()
	c := New(near, Config{ReadWindow: 256, Errors: &testErrors, Owner: testOwner{}, Ends: new(Ends)})
	c.Start(nil)
	defer func() {
		c.CloseNow()
		<-c.Done()
	}()
	neverIdle(t, c)
	c.reads.statsAsked.Store(new(latch.Latch))
	c.mu.Lock()
	go c.answerStats() // it waits for mu, with the gate
	for c.readGate.Free() {
		runtime.Gosched()
	}
	c.requestReader()
	c.mu.Unlock()
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wait.kind == inBackground
	}, 10*time.Second, time.Millisecond)
}
