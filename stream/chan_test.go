package stream_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestFromChanAndToChan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := make(chan int, 1)
		r, w := stream.FromChan(c), stream.ToChan(c)
		p := goPull(t.Context(), r)
		p.waits(t, "the channel is empty")
		require.NoError(t, w.Write(t.Context(), 1))
		require.Equal(t, 1, p.returns(t, nil))
		require.NoError(t, w.Write(t.Context(), 2))
		ctx, cancel := context.WithCancelCause(t.Context())
		write := goWrite(ctx, w, 3)
		write.waits(t, "the channel is full")
		closing := goDo(func() error { return w.Close(t.Context()) })
		closing.waits(t, "its turn is after the write")
		cancel(errBoom)
		write.returns(t, errBoom)
		closing.returns(t, nil)
		require.Equal(t, stream.ErrClosed, w.Write(t.Context(), 4))
		require.NoError(t, w.Close(t.Context()))
		require.Equal(t, []int{2}, collect(t, r))
	})
	bubble(t, func(t *testing.T) {
		c := make(chan int)
		w := stream.ToChan(c)
		write := goWrite(t.Context(), w, 1)
		write.waits(t, "there is no receive")
		require.NoError(t, w.Abort(errBoom))
		write.returns(t, errBoom)
		_, open := <-c
		require.False(t, open)
		require.Equal(t, errBoom, w.Write(t.Context(), 2))
		require.Equal(t, errBoom, w.Close(t.Context()))
	})
	bubble(t, func(t *testing.T) {
		c := make(chan int)
		w := stream.ToChan(c)
		require.NoError(t, w.Abort(errBoom))
		_, open := <-c
		require.False(t, open, "with no Write in progress, too")
		require.NoError(t, w.Abort(nil))
	})
	bubble(t, func(t *testing.T) {
		r := stream.FromChan[int](nil)
		p := goPull(t.Context(), r)
		p.waits(t, "a nil channel delivers nothing")
		require.NoError(t, r.Cancel(nil))
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
		wantEnd(t, r, io.EOF)
	})
}
