package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestMaskPhaseDoesNotGrow(t *testing.T) {
	// An int of 32 bits would wrap around in the middle of a frame of 2 GiB.
	in := inbox{state: ws.StateServerSide}
	feed(t, &in, ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 100)))), 100)
	require.True(t, in.toPayload())
	for in.left > 0 {
		got, err := in.takePayload(nil, 7)
		require.NoError(t, err)
		require.Equal(t, make([]byte, len(got)), got)
		require.Less(t, in.mask.phase, uint8(4))
	}
}

func TestMaskIsThatOfCipher(t *testing.T) {
	mask := [4]byte{0x5a, 0x17, 0xc3, 0x8e}
	for n := range 3 * maxControl {
		src := bytes.Repeat([]byte("abcdefg"), 1+n/7)[:n]
		got, want := make([]byte, n), bytes.Clone(src)
		unmaskInto(got, src, mask)
		ws.Cipher(want, mask, 0)
		require.Equal(t, want, got)
	}
}

func TestMaskOfEachFrameIsNew(t *testing.T) {
	f, o := newFramer(true, 0), outbox{}
	for range 100 {
		o.encode(&f, &piece{op: ws.OpBinary, rest: make([]byte, 4), fin: true})
	}
	seen := map[[4]byte]bool{}
	for r := bytes.NewReader(leave(&o, 1<<20)); r.Len() > 0; {
		h, err := ws.ReadHeader(r)
		require.NoError(t, err)
		require.False(t, seen[h.Mask], "two frames have the same mask")
		seen[h.Mask] = true
		_, err = r.Seek(h.Length, io.SeekCurrent)
		require.NoError(t, err)
	}
}
