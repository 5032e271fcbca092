package wire

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestPongsWaitInOneChunkForTheFlusher(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		c.mu.Lock()
		c.send.flusher = true // a flusher was started, and does not run yet
		c.mu.Unlock()
		wrote, err := c.TryWrite(ws.OpBinary, make([]byte, batch), false)
		require.NoError(t, err)
		require.True(t, wrote)
		for range 3 {
			c.answerPing(nil)
		}
		c.mu.Lock()
		chunks := 0
		for x := c.send.out.head; x != nil; x = x.next {
			chunks++
		}
		c.mu.Unlock()
		require.Equal(t, 1, chunks, "a pong is in the outbox")
		c.flush()
	})
}

func TestPongIsAddedIfAnyControlFrameHasRoom(t *testing.T) {
	const longest = 125 + 8 // bytes for a control frame
	for room, stay := range map[int]bool{longest: true, longest - 1: false} {
		inBubble(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
			c.mu.Lock()
			c.send.flusher = true // a flusher was started, and never runs
			c.send.pongs = borrow(smallChunk)
			c.send.pongs.buf = c.send.pongs.buf[:smallChunk-room]
			c.mu.Unlock()
			c.answerPing([]byte("ping"))
			c.mu.Lock()
			defer c.mu.Unlock()
			frames := len(c.send.pongs.buf)
			if stay {
				frames -= smallChunk - room
			}
			require.Equal(t, 2+4+len("ping"), frames, "a header, a mask and the payload")
		})
	}
}

func TestPongsAreDroppedUnlessTheyHaveBegun(t *testing.T) {
	for _, test := range []struct {
		name  string
		front int // frames of messages before the pongs
		sent  int // bytes of the pongs that have left
		busy  int // chunks that the transport is being given
		stay  bool
	}{
		{name: "alone"},
		{name: "behind a frame", front: 1},
		{name: "behind a frame that is being given", front: 1, busy: 1},
		{name: "being given", busy: 1, stay: true},
		{name: "being given behind a frame", front: 1, busy: 2, stay: true},
		{name: "begun", sent: 1, stay: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var o outbox
			for range test.front {
				o.push(borrow(1))
			}
			o.pongs = borrow(1)
			o.pongs.taken = test.sent
			o.push(o.pongs)
			for range test.busy {
				if o.givenTo == nil {
					o.givenTo = o.head
				} else {
					o.givenTo = o.givenTo.next
				}
			}
			o.dropPongs()
			require.Equal(t, test.stay, o.pongs != nil)
			left := 0
			for at := o.head; at != nil; at = at.next {
				left++
				if at.next == nil {
					require.Same(t, at, o.tail)
				}
			}
			if test.stay {
				left--
			}
			require.Equal(t, test.front, left)
		})
	}
}

func TestPongOvertakesWhatTheTransportHasNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := flushing(t, func(*Conn) {})
		for range 2 {
			ok, err := c.TryWrite(ws.OpText, make([]byte, 20<<10), false)
			require.NoError(t, err)
			require.True(t, ok)
		}
		v.let(1) // the flusher gives all of them now
		c.answerPing([]byte("ping"))
		got := frames(t, v.let(all))
		require.Len(t, got, 4)
		require.Equal(t, ws.OpPong, got[1].Header.OpCode)
		c.CloseNow()
	})
}
