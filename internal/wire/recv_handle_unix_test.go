//go:build unix

package wire

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/poller"
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
	require.True(t, <-locked)
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

// A readCounter counts the reads of a transport that the poller watches.
type readCounter struct {
	watchable
	reads, bytes *atomic.Int64
}

func (r readCounter) read(dst []byte, wait bool) (int, error) {
	n, err := r.watchable.read(dst, wait)
	r.reads.Add(1)
	r.bytes.Add(int64(n))
	return n, err
}

// TestHandleReadsOnceForEachByteOfADrip: a peer that sends byte by byte costs one read for each. It
// runs where there is a poller.
func TestHandleReadsOnceForEachByteOfADrip(t *testing.T) {
	const conns, text = 50, "byte by byte"
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))
	var reads, bytes atomic.Int64
	var fars []net.Conn
	s := sink{make(chan string, conns)}
	for range conns {
		c, far := socketPair(t, Config{}, 0)
		until(t, c.readGate.TryLock)
		if c.watchable == nil {
			return
		}
		c.watchable = readCounter{c.watchable, &reads, &bytes}
		c.unlockRead()
		fars = append(fars, far)
		h := &Handler{Sink: messagesOf{s}}
		require.NoError(t, c.Handle(h))
		until(t, func() bool { return reads.Load() >= int64(len(fars)) && !h.isRunning() })
	}
	before := reads.Load()
	for i, b := range frame {
		for _, far := range fars {
			_, err := far.Write([]byte{b})
			require.NoError(t, err)
		}
		until(t, func() bool { return bytes.Load() == int64((i+1)*conns) })
	}
	for range conns {
		require.Equal(t, text, <-s.messages)
	}
	require.LessOrEqual(t, reads.Load()-before, int64((len(frame)+1)*conns), "a few are Idle's")
}

// A messagesOf is a sink whose messages do not end.
type messagesOf struct{ sink }

func (messagesOf) End(error) {}

// TestReadyWithoutInputCostsARead: a socket may be reported again and again, and give nothing. Each
// report costs a read that does not wait, and starts no goroutine. It runs where there is a poller.
func TestReadyWithoutInputCostsARead(t *testing.T) {
	const reports = 1000
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
	for name, handled := range map[string]bool{"a handler": true, "no call reads": false} {
		t.Run(name, func(t *testing.T) {
			var reads, bytes atomic.Int64
			c, far := socketPair(t, Config{}, 0)
			until(t, c.readGate.TryLock)
			if c.watchable == nil {
				return
			}
			c.watchable = readCounter{c.watchable, &reads, &bytes}
			c.unlockRead()
			s := sink{make(chan string, 1)}
			h := &Handler{Sink: messagesOf{s}}
			if handled {
				require.NoError(t, c.Handle(h))
			}
			rests := func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return !h.isRunning() && c.wait.kind == inPoller && c.readGate.Free()
			}
			until(t, rests)
			before := reads.Load()
			for range reports {
				(*watched)(c).Ready(poller.Event{})
				require.True(t, rests())
			}
			require.LessOrEqual(t, reads.Load()-before, int64(reports+10), "a few are Idle's")
			_, err := far.Write(frame)
			require.NoError(t, err)
			if handled {
				require.Equal(t, "x", <-s.messages)
				return
			}
			until(t, func() bool { return bytes.Load() == int64(len(frame)) })
			_, data, err := c.Pull(context.Background(), nil)
			require.NoError(t, err)
			require.Equal(t, "x", string(data))
		})
	}
}
