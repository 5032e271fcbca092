package wire

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestScanKeepsNoControlFrames(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	ping := ws.MustCompileFrame(ws.NewPingFrame([]byte("still there?")))
	for range 10_000 {
		feed(t, &in, ping, 5)
		in.passControls()
	}
	require.Zero(t, in.held)
	require.Same(t, in.head, in.tail, "the inbox keeps more than one chunk")
}

func TestScanKeepsNothingBesideTheInput(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	empty := bytes.Repeat(ws.MustCompileFrame(ws.NewTextFrame(nil)), 1000)
	feed(t, &in, empty, 777)
	require.Equal(t, 2000, in.held)
	require.Len(t, drain(t, &in, 1), 1000)
}

func TestSealHidesWhatFollows(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	feed(t, &in, ws.MustCompileFrame(ws.NewTextFrame([]byte("before"))), 100)
	in.arrived(copy(in.space(smallChunk, 100), "\x81\x06behind"))
	in.seal()
	require.Equal(t, []string{"before"}, drain(t, &in, 100))
	require.Zero(t, in.held)
}
