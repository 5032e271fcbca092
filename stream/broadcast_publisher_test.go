package stream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestPublisherEndsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(9), stream.Block())
		require.NoError(t, stream.Pipe(t.Context(), room.Publisher(), stream.From(1, 2), nil))
		require.Equal(t, errBoom,
			stream.Pipe(t.Context(), room.Publisher(), source(errBoom, 3), nil))
		p := room.Publisher()
		require.NoError(t, p.Write(t.Context(), 4))
		require.NoError(t, p.Close(t.Context()))
		require.Equal(t, stream.ErrClosed, p.Write(t.Context(), 5))
		require.Equal(t, errBoom, p.Write(ended(t), 5))
		require.NoError(t, room.Close(t.Context()))
		require.Equal(t, []int{1, 2, 3, 4}, collect(t, sub))
		require.Equal(t, stream.ErrClosed, room.Publisher().Write(t.Context(), 6))
	})
}

func TestPublisherAbortEndsItsWriteThatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		stream.Subscribe(room, stream.Count(0), stream.Block())
		p := room.Publisher()
		w := goWrite(t.Context(), p, 1)
		w.waits(t, "one is full")
		require.NoError(t, p.Abort(errBoom))
		w.returns(t, errBoom)
		require.NoError(t, room.Abort(nil))
	})
}

func TestPublisherAllocatesOnlyForWhatBlocks(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	stream.Subscribe(room, stream.Count(1), stream.DropOldest())
	p := room.Publisher()
	write := func() float64 {
		return testing.AllocsPerRun(100, func() { _ = p.Write(t.Context(), 1) })
	}
	require.Zero(t, write())
	blocks := stream.Subscribe(room, stream.Count(1000), stream.Block())
	require.Positive(t, write(), "a Write that may wait has to be ended by Abort")
	require.NoError(t, blocks.Cancel(nil))
	require.Zero(t, write(), "it has left")
}

func TestPublisherReadyEndsWithTheBroadcastAndWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		stream.Subscribe(room, stream.Count(0), stream.Block())
		p := room.Publisher().(stream.Readier)
		ctx, cancel := context.WithCancelCause(t.Context())
		first := goDo(func() error { return p.Ready(ctx) })
		first.waits(t, "there is no Pull")
		second := goDo(func() error { return p.Ready(t.Context()) }) // behind the first
		second.waits(t, "there is no Pull")
		cancel(errBoom)
		first.returns(t, errBoom)
		second.waits(t, "there is no Pull")
		require.False(t, isClosed(room.Done()))
		require.NoError(t, room.Abort(errOther))
		second.returns(t, errOther)
		require.True(t, isClosed(room.Done()))
	})
}
