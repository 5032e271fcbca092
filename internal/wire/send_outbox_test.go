package wire

import (
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestOutboxMarksTheLastFrameUnlessItsHeaderMayHaveLeft(t *testing.T) {
	for _, client := range []bool{true, false} {
		for _, test := range []struct {
			name  string
			front int  // payload bytes of the frame before it
			sent  int  // bytes that the transport has taken, without the first header
			given bool // the transport is being given the rest
			marks bool // endLast succeeds
		}{
			{name: "alone", marks: true},
			{name: "behind another", front: 100, marks: true},
			{name: "behind one that has begun", front: 100, sent: 50, marks: true},
			{name: "behind one that has left", front: 100, sent: 100, marks: true},
			{name: "begun", front: 100, sent: 101},
			{name: "being given", given: true},
			{name: "being given with another", front: 100, sent: 50, given: true},
		} {
			t.Run(test.name, func(t *testing.T) {
				f := newFramer(client, 0)
				var o outbox
				if test.front > 0 {
					o.encode(&f, &piece{op: ws.OpBinary, rest: make([]byte, test.front), fin: true})
				}
				front := 0
				if o.tail != nil {
					front = len(o.tail.buf) - test.front // the size of its header
				}
				o.encode(&f, &piece{op: ws.OpBinary, rest: []byte("payload")})
				var wire []byte
				if sent := test.sent; sent > 0 {
					if sent >= test.front {
						sent += front
					}
					require.Same(t, o.head, o.tail, "the frames are in two chunks")
					wire = append(wire, o.head.buf[:sent]...)
					o.took(sent)
				}
				if test.given {
					o.givenTo = o.tail
				}
				require.Equal(t, test.marks, o.endLast())
				require.False(t, o.endLast(), "the frame is marked already")
				o.givenTo = nil
				all := frames(t, append(wire, leave(&o, 3)...))
				last := all[len(all)-1]
				require.Equal(t, test.marks, last.Header.Fin)
				require.Equal(t, "payload", string(last.Payload))
				require.False(t, o.endLast(), "the frame has left")
			})
		}
	}
}

func TestOutboxDropsNoFrameThatHasBegun(t *testing.T) {
	f, o := newFramer(false, 0), outbox{}
	first := piece{op: ws.OpBinary, rest: make([]byte, 2*maxPiece), fin: true}
	o.encode(&f, &first)
	o.encode(&f, &first)
	o.encode(&f, &piece{op: ws.OpText, rest: make([]byte, 100), fin: true})
	wire := append([]byte{}, o.head.buf[:100]...)
	o.took(100)
	require.False(t, between(&o))
	require.Equal(t, 100+2, o.dropUnbegun())
	wire = append(wire, leave(&o, 1000)...)
	all := frames(t, wire)
	require.Len(t, all, 1)
	require.Len(t, all[0].Payload, 2*maxPiece)
	require.True(t, between(&o))
}

func TestOutboxIsInsideAFrameUntilThatIsDropped(t *testing.T) {
	f, o := newFramer(false, 0), outbox{}
	p := piece{op: ws.OpBinary, rest: make([]byte, 2*maxPiece), fin: true}
	o.encode(&f, &p)
	require.True(t, o.insideFrame())
	o.took(1)
	o.dropUnbegun()
	require.True(t, o.insideFrame(), "the frame that has begun must be finished")

	o = outbox{}
	p = piece{op: ws.OpBinary, rest: make([]byte, 2*maxPiece), fin: true}
	o.encode(&f, &p)
	o.dropUnbegun()
	require.False(t, o.insideFrame(), "nothing of the frame has left")
}

func TestOutboxSmallMessagesShareChunks(t *testing.T) {
	f, o := newFramer(false, 0), outbox{}
	for range 1000 {
		o.encode(&f, &piece{op: ws.OpBinary, rest: make([]byte, 62), fin: true})
	}
	chunks := 0
	for c := o.head; c != nil; c = c.next {
		chunks++
	}
	require.LessOrEqual(t, chunks, 3)
	require.Len(t, frames(t, leave(&o, 1<<20)), 1000)
}

func TestOutboxLeavesChunksThatAreBeingGiven(t *testing.T) {
	f := newFramer(false, 0)
	put := func(o *outbox, n int) {
		o.encode(&f, &piece{op: ws.OpBinary, rest: make([]byte, n), fin: true})
	}
	var o outbox
	put(&o, maxPiece)
	put(&o, 100) // into a chunk with room
	o.givenTo = o.tail
	put(&o, 200)
	require.NotSame(t, o.givenTo, o.tail)
	require.Equal(t, 100+2, len(o.givenTo.buf))
	require.Equal(t, 200+4, o.dropUnbegun())
	require.Same(t, o.givenTo, o.tail)
	put(&o, 300)
	require.Equal(t, maxPiece+10+100+2+300+4, o.clear())
	require.Same(t, o.givenTo, o.tail)
	require.Zero(t, o.held())
}

func TestOutboxGivesWhatHasNotLeft(t *testing.T) {
	f, o := newFramer(false, 0), outbox{}
	for range 2 {
		o.encode(&f, &piece{op: ws.OpBinary, rest: make([]byte, maxPiece), fin: true})
	}
	o.took(100)
	last, size := o.vector()
	require.Same(t, o.tail, last)
	require.Equal(t, o.held(), size)
	require.Equal(t, 2*(maxPiece+10)-100, size)
}

func TestOutboxKeepsLargeChunksWhileTheyFill(t *testing.T) {
	for size, want := range map[int]bool{smallChunk: false, smallChunk + 1: true} {
		o := outbox{wide: true}
		c := borrow(size)
		c.buf = c.buf[:size]
		o.push(c)
		o.took(size)
		require.Equal(t, want, o.wide, "%d bytes", size)
	}
}

func TestOutboxSharesOnlyLongFramesAndLoneOnesThatAreNotShort(t *testing.T) {
	for _, at := range []struct {
		size   int
		behind bool // another frame
		shared bool
	}{
		{size: shareFrom - 1},
		{size: shareFrom, shared: true},
		{size: shareFrom, behind: true},
		{size: smallChunk, behind: true},
		{size: smallChunk + 1, behind: true, shared: true},
	} {
		var o outbox
		if at.behind {
			o.share(make([]byte, 1))
		}
		frame := make([]byte, at.size)
		o.share(frame)
		last := o.tail.buf[len(o.tail.buf)-at.size:]
		require.Equal(t, at.shared, &frame[0] == &last[0], "%+v", at)
	}
}

func TestOutboxCopiesWhatFollowsALoneSharedFrameIntoOneChunk(t *testing.T) {
	var o outbox
	frame := make([]byte, shareFrom)
	for range 3 {
		o.share(frame)
	}
	require.Len(t, o.head.buf, shareFrom, "the shared one")
	require.Same(t, o.tail, o.head.next)
	require.Len(t, o.tail.buf, 2*shareFrom)
	require.False(t, o.wide, "no chunk was filled")
}

func TestOutboxStaysWideWhenALoneSharedFrameLeaves(t *testing.T) {
	o := outbox{wide: true}
	o.share(make([]byte, shareFrom))
	o.took(shareFrom)
	require.True(t, o.wide)
}

func TestOutboxFillsItsLastChunk(t *testing.T) {
	var o outbox
	first := o.chunkFor(10)
	first.buf, first.paid = first.buf[:10], true
	require.Same(t, first, o.chunkFor(first.free()))
	second := o.chunkFor(first.free() + 1)
	require.NotSame(t, first, second)
	second.paid = true
	o.took(1) // of the first
	require.Same(t, second, o.chunkFor(10))
}
