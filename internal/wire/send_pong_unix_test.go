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
		c, far := stalledFlusher(t, client)
		_, others := unsentChunks(c)
		var payload [8]byte
		const n = 30_000
		for i := range uint64(n) {
			binary.BigEndian.PutUint64(payload[:], i)
			c.answerPing(payload[:])
			if i%1000 == 0 {
				untilStalled(t, c, inBackground) // the flusher was recalled, and waits again
				held, now := unsentChunks(c)
				require.LessOrEqual(t, held, 2, "chunks of control frames")
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
	c.send.flusher = true // a flusher was started, and never runs
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
