package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestCloseFreesInputThatCanNeverBePulled(t *testing.T) {
	pull := func(t *testing.T, c *Conn) {
		_, _, err := c.Pull(t.Context(), nil)
		require.Error(t, err)
	}
	for name, test := range map[string]struct {
		input string
		end   func(t *testing.T, c *Conn)
	}{
		"half a header":              {"\x81", pull},
		"half a long header":         {"\x82\x7e\x01", pull},
		"half a control frame":       {"\x89\x02a", pull},
		"half a message":             {"\x81\x03ab", pull},
		"a message without an end":   {"\x01\x02ab\x00\x02cd", pull},
		"half a header, CloseNow":    {"\x81", func(_ *testing.T, c *Conn) { c.CloseNow() }},
		"half a message, CloseNow":   {"\x81\x03ab", func(_ *testing.T, c *Conn) { c.CloseNow() }},
		"half a message, Discard":    {"\x81\x03ab", func(_ *testing.T, c *Conn) { c.Discard() }},
		"half a header, and no call": {"\x81", func(*testing.T, *Conn) {}},
		"part of a message, which a cancelled Pull assembled": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _, err := c.Pull(ctx, nil)
			require.Equal(t, context.DeadlineExceeded, err)
			pull(t, c)
		}},
		"part of a message, which a Pull cancelled at the end assembled": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			_, _, err := c.Pull(lateContext{t.Context(), c}, nil)
			require.Error(t, err)
		}},
		"part of a message, which a Reader reads": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			r := begun(t, c)
			_, err := io.ReadAll(r)
			require.Error(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []byte(test.input), func(t *testing.T, c *Conn, peer net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
				time.AfterFunc(time.Second, func() { _ = peer.Close() })
				test.end(t, c)
				<-c.end.done.Done()
				synctest.Wait()
				received, _ := c.Stats()
				require.Zero(t, received.Held)
				require.Nil(t, c.recv.in.head, "the inbox has a chunk")
			})
		})
	}
}

func TestEndTellsOfUnsentMessagesOnlyIfThereAreAny(t *testing.T) {
	for _, size := range []int{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			c, v := valved(t, Config{})
			if size > 0 {
				ok, err := c.TryWrite(ws.OpText, make([]byte, size), false)
				require.NoError(t, err)
				require.True(t, ok)
			}
			c.peerClosed(CloseInfo{Code: CodeNormal}, false) // our answer does not leave
			require.Empty(t, v.let(0))
			c.CloseNow()
			require.Equal(t, size > 0, errors.Is(c.End(), errUnsent), "%d bytes", size)
		})
	}
}
