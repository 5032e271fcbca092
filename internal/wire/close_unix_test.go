//go:build unix

package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestAbortOfAWriteThatWaitsForRoomFinishesItsFrame(t *testing.T) {
	c, far := smallSocket(t, Config{MaxFrame: 64 << 10})
	data := pattern(1<<20, 0)
	wrote := goWrite(t.Context(), c, data)
	begun := make([]byte, 1)
	_, err := io.ReadFull(far, begun)
	require.NoError(t, err)
	untilStalled(t, c, onCall)
	cause := errors.New("cause")
	c.Abort(CloseInfo{Code: 1000}, cause)
	require.Equal(t, cause, <-wrote)
	clear(data)
	all, _, closed := messages(t, append(begun, receive(t, c, far)...))
	require.True(t, closed)
	require.Len(t, all, 1)
	require.Less(t, len(all[0]), 1<<20)
	require.Zero(t, len(all[0])%(64<<10), "whole frames")
	require.True(t, bytes.Equal(pattern(1<<20, 0)[:len(all[0])], all[0]))
}

// The kernel would reset a socket with unread bytes, and the peer might not see our Close. Bytes
// are left here of a peer that sends on behind its Close, where the read that brought it was full.
func TestCloseLeavesNothingUnread(t *testing.T) {
	const window = 256
	closing := []byte("\x88\x82\x00\x00\x00\x00\x03\xe8")
	message := append([]byte("\x82\xfe\x00\xf0\x00\x00\x00\x00"), make([]byte, window-16)...)
	require.Len(t, append(message, closing...), window)
	for name, behind := range map[string]int{"the Close is last": 0, "more is behind it": 1000} {
		t.Run(name, func(t *testing.T) {
			near, far := tcpPair(t)
			_, err := far.Write(slices.Concat(message, closing, make([]byte, behind)))
			require.NoError(t, err)
			c := newConn(near, Config{ReadWindow: window})
			defer cut(c)
			c.Start(nil)
			for range 2 {
				_, _, err = c.Pull(t.Context(), nil)
			}
			require.Equal(t, io.EOF, err)
			require.Equal(t, ws.OpClose, readFrame(t, far).Header.OpCode)
			_, err = far.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		})
	}
}

// A Close that waits behind output is not the last thing to have come when it is answered.
func TestCloseIsLastOnlyAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		c.recv.fetched = true
		c.peerClosed(CloseInfo{Code: CodeNormal}, false)
		require.Empty(t, v.let(0))
		require.False(t, c.end.facts().emptied)
	})
}
