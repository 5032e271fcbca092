package hostile

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// keys returns a client's Sec-WebSocket-Key, and the masking keys of n frames that it sends.
func keys(t *testing.T, n int) (key string, masks [][4]byte) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(1 << 20)
		dial, _ := dialling(near)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: dial})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		key = peer.ServeHandshake().Header.Get("Sec-WebSocket-Key")
		for range n {
			require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("what an attacker chose")))
		}
		require.NoError(t, conn.Writable().Flush(t.Context()))
		raw := make([]byte, far.Buffered())
		_, err := far.Read(raw)
		require.NoError(t, err)
		for r := bytes.NewReader(raw); r.Len() > 0; {
			h, err := ws.ReadHeader(r)
			require.NoError(t, err)
			require.True(t, h.Masked)
			masks = append(masks, h.Mask)
			_, err = r.Seek(h.Length, 1)
			require.NoError(t, err)
		}
		require.Len(t, masks, n)
		conn.CloseNow()
	})
	return key, masks
}

func TestMasksAndKeysComeFromTheSystemsRandomness(t *testing.T) {
	const n = 100
	seeded := func(seed uint64) (key string, masks [][4]byte) {
		t.Run("", func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed)
			key, masks = keys(t, n)
		})
		return key, masks
	}
	key, masks := seeded(1)
	again, same := seeded(1)
	require.Equal(t, key, again, "there is no other source")
	require.Equal(t, masks, same, "there is no other source")
	other, others := seeded(2)
	require.NotEqual(t, key, other)
	for i := range n {
		require.NotEqual(t, masks[i], others[i], "a mask depends on the source")
	}
}

func TestMasksOfManyConnectionsCannotBeForetold(t *testing.T) {
	const conns, n = 50, 400
	seen, known := map[[4]byte]int{}, map[string]bool{}
	var ones [32]int
	steps := map[uint32]int{}
	for range conns {
		key, masks := keys(t, n)
		require.False(t, known[key], "a Sec-WebSocket-Key comes twice")
		known[key] = true
		before := uint32(0)
		for i, mask := range masks {
			seen[mask]++
			v := binary.BigEndian.Uint32(mask[:])
			for bit := range ones {
				ones[bit] += int(v >> bit & 1)
			}
			if i > 0 {
				steps[v-before]++
				steps[v^before]++
			}
			before = v
		}
	}
	// Of 20,000 random keys of 32 bits, 0.05 are equal; six or more are less likely than 1e-11.
	require.Greater(t, len(seen), conns*n-6)
	require.Greater(t, len(steps), 2*(conns*(n-1)-6), "no step from mask to mask comes again")
	for bit, n1 := range ones { // six standard deviations of 71
		require.InDelta(t, conns*n/2, n1, 426, "bit %d", bit)
	}
}
