package wire

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/poller"
)

// A script is a watchable transport. A test gives it its input, and makes the poller's reports.
type script struct {
	c       *Conn
	input   []byte
	endless bool   // the input comes again and again
	at      int    // in an endless input
	onEmpty func() // called once, when a read finds nothing
	watched bool

	reads, arms, requeued int
}

func (s *script) read(dst []byte, _ bool) (n int, err error) {
	s.reads++
	if dst == nil {
		dst = s.c.recv.borrowBuffer()
	}
	if s.endless {
		for i := range dst {
			dst[i] = s.input[s.at%len(s.input)]
			s.at++
		}
		return len(dst), nil
	}
	n = copy(dst, s.input)
	s.input = s.input[n:]
	if f := s.onEmpty; n == 0 && f != nil {
		s.onEmpty = nil
		f()
	}
	return n, nil
}

func (s *script) takesAll() bool { return true }

func (s *script) later() {}

func (s *script) watch() bool {
	s.watched = true
	s.arms++
	return true
}

func (s *script) watchLost() {}

func (s *script) requeue() bool {
	s.requeued++
	return true
}

func (s *script) mute() { s.watched = false }

func (s *script) leave() {}

func (s *script) isWatched() bool { return s.watched }

// scripted returns a Conn that rests on a script.
func scripted(t *testing.T) (*Conn, *script) {
	near, far := net.Pipe()
	c := newConn(near, Config{ReadWindow: 64 << 10, WriteWindow: 64 << 10})
	s := &script{c: c}
	c.watchable = s
	c.Start(nil)
	go func() { _, _ = io.Copy(io.Discard, far) }() // ends with the transport
	t.Cleanup(func() {
		cut(c)
		_ = far.Close()
	})
	c.rests(t)
	return c, s
}

// rests reads in the background until the Conn rests.
func (c *Conn) rests(t *testing.T) {
	until(t, c.readGate.TryLock)
	c.readOn()
	require.Equal(t, inPoller, c.wait.kind)
}

func maskedText(text string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))
}

// texts has n messages.
func texts(n int) (all []byte) {
	for range n {
		all = append(all, maskedText("x")...)
	}
	return all
}

// A sinkOf gives messages to a function.
type sinkOf func(data string)

func (f sinkOf) Message(_ ws.OpCode, data []byte) { f(string(data)) }

func (f sinkOf) End(error) {}

func (c *Conn) report() { (*watched)(c).Ready(poller.Event{}) }

func TestReadyReadsForAConnThatRests(t *testing.T) {
	c, s := scripted(t)
	s.input = maskedText("x")
	c.report()
	require.Empty(t, s.input)
	require.True(t, s.watched)
	require.Equal(t, inPoller, c.wait.kind, "it rests again")
}

// TestReadyMutesASocketFromWhichCallsRead: the last of the calls has armed Idle.
func TestReadyMutesASocketFromWhichCallsRead(t *testing.T) {
	t.Run("a call has read", func(t *testing.T) {
		c, s := scripted(t)
		s.input = maskedText("x")
		require.True(t, c.readGate.TryLock())
		c.unlockRead()
		c.report()
		require.False(t, s.watched)
		require.NotEmpty(t, s.input, "the next call reads it")
	})
	t.Run("a call waits", func(t *testing.T) {
		c, s := scripted(t)
		require.True(t, c.readGate.TryLock())
		c.wait.kind = onCall
		c.report()
		require.False(t, s.watched)
		require.False(t, c.flags.has(isRequested))
		c.wait.kind = notWaiting
		c.leaveRead()
	})
	t.Run("a call runs", func(t *testing.T) {
		c, s := scripted(t)
		require.True(t, c.readGate.TryLock())
		c.wait.kind = notWaiting
		c.report()
		require.True(t, s.watched)
		require.True(t, c.flags.has(isRequested), "the call lets the input be read")
		c.leaveRead()
	})
}

// TestReadyMutesNoSocketOfAHandler: the goroutine that delivers looks again.
func TestReadyMutesNoSocketOfAHandler(t *testing.T) {
	c, s := scripted(t)
	h := &Handler{Sink: sinkOf(func(string) {})}
	c.reads.handler.Store(h)
	require.True(t, h.enter())
	require.True(t, c.readGate.TryLock())
	c.report()
	require.True(t, s.watched)
	require.False(t, c.flags.has(isRequested))
	require.EqualValues(t, handlerWoken, h.state.Load())
	c.unlockRead()
	c.report() // a call has read meanwhile
	require.True(t, s.watched)
	require.False(t, h.leave(), "it must look again")
	require.True(t, h.leave())
}

// TestReadyWhileTheBackgroundReadsForAHandlerIsNotLost: the handler may block for long.
func TestReadyWhileTheBackgroundReadsForAHandlerIsNotLost(t *testing.T) {
	c, s := scripted(t)
	h := &Handler{Sink: sinkOf(func(string) {})}
	c.reads.handler.Store(h)
	require.True(t, h.enter())
	arms := s.arms
	s.onEmpty = func() {
		s.input = maskedText("x")
		c.report()
	}
	require.True(t, c.readGate.TryLock())
	c.readOn()
	require.Greater(t, s.arms, arms, "which reports a socket that is readable already")
	h.state.Store(handlerRests)
}

func TestBackgroundReaderLeavesAFloodAfterSomeReads(t *testing.T) {
	c, s := scripted(t)
	c.Discard()
	until(t, c.readGate.Free)
	s.input, s.endless = texts(10), true
	require.True(t, c.readGate.TryLock())
	before, arms := s.reads, s.arms
	c.readOn()
	require.Equal(t, maxReads, s.reads-before)
	require.Equal(t, arms+1, s.arms, "the poller reports it again, behind others")
	s.input, s.endless = nil, false
}

func TestBackgroundReaderReadsNothingWithoutCredit(t *testing.T) {
	full := append([]byte{0x82, 126, 0, 252}, make([]byte, 252)...)
	inBubble(t, full, func(t *testing.T, c *Conn, _ net.Conn) {
		require.NoError(t, c.lockRead(t.Context()))
		require.False(t, c.wantsInput(), "all credit is used, and none is owed")
		c.unlockRead()
	})
}

func TestHandlerGetsSoManyMessagesFromAWorkerBeforeOthers(t *testing.T) {
	const n = 3*maxMessages + 1
	c, s := scripted(t)
	got := 0
	h := &Handler{Sink: sinkOf(func(string) { got++ })}
	c.reads.handler.Store(h)
	s.input = texts(n)
	for turn := 1; turn <= 3; turn++ {
		c.report()
		require.Equal(t, turn*maxMessages, got)
		require.Equal(t, turn, s.requeued)
	}
	c.report()
	require.Equal(t, n, got)
	require.Equal(t, 3, s.requeued)

	s.input = texts(n)
	require.True(t, c.handle(h, false), "a goroutine of its own holds up no other Conn")
	require.Equal(t, 2*n, got)
	require.Equal(t, 3, s.requeued)
}

func TestHandlerGoesOnWhenItsSinkEndsTheGoroutine(t *testing.T) {
	c, s := scripted(t)
	got := make(chan string, 2)
	require.NoError(t, c.Handle(&Handler{Sink: sinkOf(func(data string) {
		got <- data
		runtime.Goexit()
	})}))
	until(t, c.readGate.Free)
	require.True(t, c.readGate.TryLock())
	s.input = append(maskedText("a"), maskedText("b")...)
	c.unlockRead()
	go c.report()
	require.Equal(t, "a", <-got)
	require.Equal(t, "b", <-got)
}

func TestHandlerIsEnteredOnceAndLeftWhenNothingIsNew(t *testing.T) {
	h := new(Handler)
	require.False(t, h.isRunning())
	require.True(t, h.enter())
	require.True(t, h.isRunning())
	require.False(t, h.enter(), "another delivers")
	require.EqualValues(t, handlerWoken, h.state.Load())
	require.True(t, h.isRunning())
	require.False(t, h.enter())
	require.False(t, h.leave(), "that must look again")
	require.True(t, h.leave())
	require.False(t, h.isRunning())
	h.state.Store(handlerEnded)
	require.False(t, h.enter())
	require.EqualValues(t, handlerEnded, h.state.Load())
}

func TestHandleEndsAPullThatWaits(t *testing.T) {
	near, far := net.Pipe()
	c := started(t, Config{}, near, far)
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.Pull(context.Background(), nil)
		ended <- err
	}()
	until(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wait.kind == onCall
	})
	require.NoError(t, c.Handle(&Handler{Sink: sinkOf(func(string) {})}))
	require.Equal(t, c.owner.Errors().Busy, <-ended)
}

// TestAHandlerThatWaitsInReadGivesACallItsTurn: the poller cannot watch a transport in memory. So a
// goroutine waits in its Read.
func TestAHandlerThatWaitsInReadGivesACallItsTurn(t *testing.T) {
	near, far := net.Pipe()
	c := started(t, Config{}, near, far)
	require.NoError(t, c.Handle(&Handler{Sink: sinkOf(func(string) {})}))
	until(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wait.kind == inHandler
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, c.lockRead(ctx))
	c.unlockRead()
}
