//go:build unix

package wire

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPingsAnsweredBeforeTheyLeaveDoNotGrow(t *testing.T) {
	c, _ := stalledFlusher(t, false)
	for range 100 {
		c.mu.Lock()
		c.newPingLocked() // this much of Ping has run
		c.sendRelocks()
		next := c.send.pings.last
		c.mu.Unlock()
		untilStalled(t, c, inBackground) // the flusher was recalled, and waits again
		var payload [8]byte
		for nth := next - 2; nth != next+2; nth++ {
			binary.BigEndian.PutUint64(payload[:], nth)
			c.takePong(payload[:])
		}
		held, _ := unsentChunks(c)
		require.LessOrEqual(t, held, 2)
	}
}
