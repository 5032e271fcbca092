//go:build unix

package wire

import (
	"context"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// A sink notes the messages of a handler.
type sink struct{ messages chan string }

func (s sink) Message(_ ws.OpCode, data []byte) { s.messages <- string(data) }

func (s sink) End(error) { close(s.messages) }

// TestHandleGivesItsTurnToACallThatWaitsBehindIt: a Pull that began before Handle may come to
// readGate after the handler. Then the handler spun, and neither went on.
func TestHandleGivesItsTurnToACallThatWaitsBehindIt(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	c.reads.waiting.Add(1) // the call begins: see awaitRead
	s := sink{make(chan string, 1)}
	h := &Handler{Sink: s}
	require.NoError(t, c.Handle(h))
	until(t, func() bool { return h.isRunning() && !c.readGate.Free() })
	locked := make(chan bool, 1)
	go func() { locked <- c.readGate.Lock(context.Background()) }()
	until(t, func() bool { return len(locked) == 1 })
	c.reads.waiting.Add(-1)
	c.unlockRead()
	_, err := far.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x")))))
	require.NoError(t, err)
	require.Equal(t, "x", <-s.messages)
	cut(c)
	_, more := <-s.messages
	require.False(t, more)
}

// TestHandleGetsWhatTheBackgroundHasRead: a Ping, for example, lets the background read. The poller
// does not report what has been read by then.
func TestHandleGetsWhatTheBackgroundHasRead(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	s := sink{make(chan string, 1)}
	h := &Handler{Sink: s}
	require.NoError(t, c.Handle(h))
	for range 10 {
		until(t, func() bool { return !h.isRunning() && c.readGate.TryLock() })
		if c.watchable != nil {
			c.mu.Lock()
			c.watchable.mute() // as if the poller came too late
			c.mu.Unlock()
		}
		_, err := far.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x")))))
		require.NoError(t, err)
		go c.runBackground()
		require.Equal(t, "x", <-s.messages)
	}
	cut(c)
	_, more := <-s.messages
	require.False(t, more)
}

// TestHandleAndNextSeeEachOther: if a Handle that returned ErrBusy had stored its handler for a
// moment, a Read of the Reader returned ErrBusy.
func TestHandleAndNextSeeEachOther(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	_, err := far.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x")))))
	require.NoError(t, err)
	until(t, func() bool { return c.recv.window.Held() > 0 && c.readGate.Free() })
	c.mu.Lock()
	opened, handled := make(chan error, 1), make(chan error, 1)
	go func() { opened <- c.Next(context.Background(), new(Reader)) }()
	go func() { handled <- c.Handle(&Handler{Sink: sink{make(chan string, 1)}}) }()
	require.False(t, within(50*time.Millisecond, func() bool {
		return c.reads.current.Load() != 0 || c.reads.handler.Load() != nil
	}), "both decide under mu")
	c.mu.Unlock()
	busy := c.owner.Errors().Busy
	if err := <-opened; err == nil {
		require.Equal(t, busy, <-handled)
	} else {
		require.Equal(t, busy, err)
		require.NoError(t, <-handled)
	}
}
