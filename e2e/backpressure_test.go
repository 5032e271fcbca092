//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

const (
	window = 64 << 10 // the default of ReadWindow and WriteWindow
	piece  = 32 << 10 // bytes in a message of a flood
	lull   = time.Second
	// bytes that kernels, Chromium, Node and nginx may hold together: they hold about 10.
	most = 64 << 20
)

// numbered returns the i-th message of a flood, which starts with its number.
func numbered(i int) wsstream.Message {
	b := make([]byte, piece)
	binary.BigEndian.PutUint32(b, uint32(i))
	return wsstream.Binary(b)
}

// flood writes numbered messages until there was no credit for a lull, and returns how many. What
// is held stays within the window and one message.
func flood(t *testing.T, conn *wsstream.Conn) (n int) {
	t.Helper()
	for n*piece < most {
		ctx, cancel := context.WithTimeout(t.Context(), lull)
		err := conn.Writable().Write(ctx, numbered(n))
		cancel()
		if err == nil {
			n++
			continue
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// The peer may go on just now, so whether there is credit is asked last: it only grows.
		credit, sent := conn.Writable().DesiredSize(), conn.Stats().Sent
		ok, err := conn.Writable().TryWrite(numbered(n))
		require.NoError(t, err)
		if ok {
			n++
			continue
		}
		require.LessOrEqual(t, credit, 0)
		require.EqualValues(t, n, sent.Messages)
		require.LessOrEqual(t, sent.Held, int64(window-credit))
		require.LessOrEqual(t, sent.HeldMax, int64(window+piece+16))
		require.GreaterOrEqual(t, sent.Stalled, lull)
		return n
	}
	require.Fail(t, "nothing stopped us")
	return n
}

// drain pulls n numbered messages, and checks that none is missing.
func drain(t *testing.T, conn *wsstream.Conn, n int) {
	t.Helper()
	for i := range n {
		m := pull(t, conn)
		require.Len(t, m.Data, piece)
		require.EqualValues(t, i, binary.BigEndian.Uint32(m.Data))
	}
}

func TestBothWaysAtOnceUnderBackpressureNothingIsLost(t *testing.T) {
	s := serve(t, nil)
	p := open(t, s.page())
	p.run(t, `
		self.wss = new WebSocketStream(url);
		const { readable, writable } = await wss.opened;
		self.echo = readable.pipeTo(writable)`) // with Chromium's own backpressure between the two
	conn := s.accepted(t)
	const n = 500
	done := make(chan error, 1)
	go func() {
		ctx := patient(t)
		for i := range n {
			if err := conn.Writable().Write(ctx, numbered(i)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	drain(t, conn, n)
	require.NoError(t, <-done)
	require.NoError(t, conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1000}))
}
