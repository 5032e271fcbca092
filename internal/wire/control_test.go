//go:build unix

package wire

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// controls counts the chunks that hold control frames and have not left, and the chunks of frames
// of messages.
func controls(c *Conn) (held, others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.send.out.head; at != nil; at = at.next {
		if at.paid {
			others++
		} else {
			held++
		}
	}
	if c.send.pongs != nil {
		held++
	}
	if c.send.pings != nil && c.send.pings.unsent != nil {
		held++
	}
	return held, others
}

// stuffed returns a Conn whose flusher waits for a peer that reads nothing.
func stuffed(t *testing.T, client bool) (*Conn, net.Conn) {
	c, far := socketPair(t, Config{Client: client, MaxFrame: 16 << 10}, 4<<10)
	ok, err := c.TryWrite(ws.OpBinary, make([]byte, 1<<20), false)
	require.NoError(t, err)
	require.True(t, ok)
	untilStalled(t, c, inBackground)
	return c, far
}

func TestAPeerThatPingsAndReadsNothingMakesNothingGrow(t *testing.T) {
	for _, client := range []bool{true, false} {
		c, far := stuffed(t, client)
		_, others := controls(c)
		var payload [8]byte
		const n = 30_000
		for i := range uint64(n) {
			binary.BigEndian.PutUint64(payload[:], i)
			c.answerPing(payload[:])
			if i%1000 == 0 {
				untilStalled(t, c, inBackground) // it was called back, and has seen to the pongs
				held, now := controls(c)
				require.LessOrEqual(t, held, 2, "each a chunk of 4 KiB")
				require.LessOrEqual(t, now, others)
			}
		}
		c.Abort(CloseInfo{Code: 1000}, errClosed)
		var got []uint64
		for f := (ws.Frame{}); f.Header.OpCode != ws.OpClose; {
			f = readFrame(t, far)
			if f = ws.UnmaskFrame(f); f.Header.OpCode == ws.OpPong {
				got = append(got, binary.BigEndian.Uint64(f.Payload))
			}
		}
		require.True(t, slices.IsSorted(got), "%v", got)
		require.EqualValues(t, n-1, got[len(got)-1], "the newest is answered")
		require.LessOrEqual(t, len(got), 2*smallChunk/10)
	}
}

func TestPongsAreWithdrawnUnlessTheTransportHasBegunThem(t *testing.T) {
	for _, test := range []struct {
		name  string
		front int // frames of messages in front of the pongs
		sent  int // bytes of the pongs
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

func TestAPeerThatAnswersPingsItHasNotSeenMakesNothingGrow(t *testing.T) {
	c, _ := stuffed(t, false)
	for range 100 {
		c.mu.Lock()
		c.newPingLocked() // so far Ping has come
		c.sendRelocks()
		next := c.send.pings.last
		c.mu.Unlock()
		untilStalled(t, c, inBackground) // it was called back, and has seen to the ping
		var payload [8]byte
		for nth := next - 2; nth != next+2; nth++ {
			binary.BigEndian.PutUint64(payload[:], nth)
			c.takePong(payload[:])
		}
		held, _ := controls(c)
		require.LessOrEqual(t, held, 2)
	}
}

func TestPongsOfABurstLeaveBeforeTheirReserveIsFullWhereTheTransportTakesThem(t *testing.T) {
	const n = 5000
	c, far := socketPair(t, Config{}, 0)
	for !c.readGate.TryLock() { // a background reader could take the baton meanwhile
		c, far = socketPair(t, Config{}, 0)
	}
	defer c.unlockRead()
	c.mu.Lock()
	c.send.flusher = true // it is on its way, and does not come
	c.mu.Unlock()
	var payload [8]byte
	for i := range uint64(n) {
		binary.BigEndian.PutUint64(payload[:], i)
		c.answerPing(payload[:])
	}
	c.flush()
	for i := range uint64(n) {
		f := readFrame(t, far)
		require.Equal(t, ws.OpPong, f.Header.OpCode)
		require.Equal(t, i, binary.BigEndian.Uint64(f.Payload))
	}
}
