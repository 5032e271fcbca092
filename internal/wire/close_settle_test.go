package wire

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

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
		"half a header, cut by us":   {"\x81", func(_ *testing.T, c *Conn) { c.CloseNow() }},
		"half a message, cut by us":  {"\x81\x03ab", func(_ *testing.T, c *Conn) { c.CloseNow() }},
		"half a message, discarded":  {"\x81\x03ab", func(_ *testing.T, c *Conn) { c.Discard() }},
		"half a header, and nothing": {"\x81", func(*testing.T, *Conn) {}},
		"what a Pull had assembled": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _, err := c.Pull(ctx, nil)
			require.Equal(t, context.DeadlineExceeded, err)
			pull(t, c)
		}},
		"what a Pull has assembled whose context ends then": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			_, _, err := c.Pull(late{t.Context(), c}, nil)
			require.Error(t, err)
		}},
		"what a Reader has begun": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			r := begun(t, c)
			_, err := io.ReadAll(r)
			require.Error(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			forced(t, []byte(test.input), func(t *testing.T, c *Conn, peer net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
				time.AfterFunc(time.Second, func() { _ = peer.Close() })
				test.end(t, c)
				<-c.Done()
				synctest.Wait()
				received, _ := c.Stats()
				require.Zero(t, received.Held)
				require.Nil(t, c.recv.in.head, "it holds a chunk")
			})
		})
	}
}
