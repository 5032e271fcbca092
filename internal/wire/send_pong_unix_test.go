//go:build unix

package wire

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestPongsOfAPeerThatReadsNothingDoNotGrow(t *testing.T) {
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

func TestPongsOfABurstAllLeave(t *testing.T) {
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
