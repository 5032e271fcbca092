//go:build unix

package wire

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPingsAnsweredBeforeTheyLeaveDoNotGrow(t *testing.T) {
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
