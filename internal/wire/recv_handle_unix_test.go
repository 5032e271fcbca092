//go:build unix

package wire

import (
	"context"
	"testing"

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
