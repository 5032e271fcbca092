package wire

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

func TestInboxFillsAChunkUntilLittleIsFree(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	in.arrived(smallChunk - smallChunk/8 - len(in.space(smallChunk, 1)) + 1)
	require.Len(t, in.space(smallChunk, smallChunk), smallChunk/8)
	in.arrived(1)
	require.Len(t, in.space(smallChunk, smallChunk), smallChunk)
	require.NotSame(t, in.head, in.tail)
}

func TestInboxReplacesAnEmptySmallChunkByALargeOne(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	require.Len(t, in.space(smallChunk, largeChunk), smallChunk)
	require.Len(t, in.space(largeChunk, largeChunk), largeChunk)
	require.Same(t, in.head, in.tail)
}

func TestScanJoinsAFrameThatLiesInTwoChunks(t *testing.T) {
	text := strings.Repeat("a pong", 20)
	for _, side := range sides {
		ping := framed(t, ws.NewPingFrame([]byte(text)), side.masked)
		for front := 1; front < len(ping); front++ {
			fill := make([]byte, smallChunk-front)
			n := len(framed(t, ws.NewBinaryFrame(fill), side.masked)) - len(fill)
			before := framed(t, ws.NewBinaryFrame(fill[n:]), side.masked)
			require.Len(t, before, len(fill))
			behind := framed(t, ws.NewTextFrame([]byte("behind")), side.masked)
			in := inbox{state: side.state}
			controls := feed(t, &in, slices.Concat(before, ping, behind), smallChunk)
			require.Equal(t, []string{"9" + text}, controls, front)
			require.Equal(t, "behind", drain(t, &in, smallChunk)[1])
		}
	}
}

func TestFloodIsMoreThanItsLimitWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(epoch.Add(time.Hour))) // so that the clock does not stand at 0
		var r emptyRun
		require.True(t, r.flooded(maxEmpty+1))
		require.False(t, r.flooded(maxEmpty))
		<-time.After(emptyTime - time.Millisecond)
		require.True(t, r.flooded(1))
		require.False(t, r.flooded(1), "a new run has begun")

		r = emptyRun{}
		require.False(t, r.flooded(maxEmpty/2))
		<-time.After(emptyTime / 2)
		require.False(t, r.flooded(maxEmpty/2))
		<-time.After(emptyTime / 2)
		require.False(t, r.flooded(1), "the run took a second")
	})
}

func TestScanCopiesNoFrameThatLiesInOneChunk(t *testing.T) {
	in := inbox{state: ws.StateClientSide}
	feed(t, &in, framed(t, ws.NewPingFrame([]byte("whole")), false), smallChunk)
	require.Nil(t, in.spill)
}

func TestReadsGetALargeChunkIfTheyNeedIt(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := newConn(near, Config{ReadWindow: 1 << 20})
	r := &c.recv
	buffer := func() int {
		defer r.returnBuffer()
		return len(r.borrowBuffer())
	}
	r.in.toSkip = smallChunk // bytes of a frame are missing
	require.Equal(t, smallChunk, buffer())
	r.in.toSkip++
	require.Equal(t, largeChunk, buffer())
	r.in.toSkip, r.in.sealed = 0, true
	for _, test := range []struct {
		n    int
		dst  []byte
		want int
	}{
		{smallChunk - 1, nil, smallChunk},
		{smallChunk, nil, largeChunk}, // the last read was filled
		{smallChunk, make([]byte, smallChunk), smallChunk},
	} {
		r.greedy = false
		require.Equal(t, smallChunk, buffer())
		c.takeInput(test.n, test.dst)
		require.Equal(t, test.want, buffer())
	}
}
