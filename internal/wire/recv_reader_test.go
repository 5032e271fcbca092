package wire

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestReadFreesWhatAPullAssembled(t *testing.T) {
	inBubble(t, []byte("\x81\x03ab"), func(t *testing.T, c *Conn, peer net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		pulled := make(chan error, 1)
		go func() {
			_, _, err := c.Pull(ctx, nil)
			pulled <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-pulled, context.Canceled)
		require.Equal(t, "ab", string(c.recv.assembled))
		r := new(Reader)
		require.NoError(t, c.Next(t.Context(), r))
		_, err := io.ReadFull(r, make([]byte, 2))
		require.NoError(t, err)
		require.Nil(t, c.recv.assembled)
		_, err = peer.Write([]byte("c"))
		require.NoError(t, err)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "c", string(rest))
	})
}

func TestReadOfACutMessageNeverReturnsEOF(t *testing.T) {
	inBubble(t, []byte("\x01\x03abc\x88\x00"), func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
		r := new(Reader)
		require.NoError(t, c.Next(lateContext{t.Context(), c}, r))
		n, err := r.Read(make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, 3, n)
		_, err = r.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotEqual(t, io.EOF, err, "Read takes the message for a whole one")
	})
}
